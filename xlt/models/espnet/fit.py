"""One training: ESPnet's files, ESPnet's task in this process, the averaged model.

T frames of features, S stacked frames, U tokens.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.errors import DataError, StageError
from xlt.core.log import epochs, say
from xlt.core.settings import TrainConfig
from xlt.core.stage import write_json
from xlt.features.speech import FEATS, Speech, check_archives
from xlt.formats.archives import FeatureReader
from xlt.formats.model_folder import CTC, INFO, TRANSDUCER
from xlt.formats.tables import read_table, same_keys
from xlt.formats.weights import read_weights
from xlt.models.espnet import onfly, places, ranks, starts, tags, taught, timing, transducer, transfer, tuning
from xlt.models.espnet.epochs import logging_to
from xlt.models.espnet.frontends import Frontend
from xlt.models.espnet.mixing import Mixture, mixture, write_plan
from xlt.models.espnet.task import (
    AGAIN,
    NEWEST,
    XltTask,
    check_arguments,
    encoder_arguments,
    fresh_model,
    restore_checkpoint,
)
from xlt.models.resolved import Resolved
from xlt.nets.lengths import ctc_frames, ctc_steps, shortening, stacked
from xlt.nets.moments import Moments


@dataclass(frozen=True)
class Job:
    """What is trained on: ``sets``: train, with what is mixed in, and dev; ``mixed``: what of train is from
    where; ``frontend``: counts frames and takes statistics where speech is encoded on the fly; ``stack``:
    features a step; ``facts``: what was left out of each set, for the stamp.
    """

    sets: dict[str, Speech]
    mixed: Mixture | None
    frontend: Frontend | None
    stack: int
    work: Path
    facts: dict[str, dict]


def fit(run: Resolved, out: Path) -> dict:
    """Train in ``out`` (resuming what is there) and leave model, configuration, tokens, statistics and
    history.
    """
    _check_networks(run.cfg.train)
    if run.source is not None:
        transfer.check_features(run.source, run.cfg, run.info, run.ctx.dump / run.cfg.train_set)
        if run.cfg.train.zero_shot:
            return transfer.take_over(run, run.source, out)
    _keep_inputs(run, out)
    job = _job(run, out)
    if not (out / INFO).exists():  # written last: with it only the cleaning is left
        _train(run, job, out)
        _keep(run, job, out)
    timed = timing.facts(out) | starts.facts(job.work)
    _clean(job, out)
    return job.facts | timed | _summary(run.cfg.train, out)


def _check_networks(train: TrainConfig) -> None:
    check_arguments("encoder", train.encoder, train.encoder_conf)
    if train.decoder != "none":
        check_arguments("decoder", train.decoder, train.decoder_conf)


def _keep_inputs(run: Resolved, out: Path) -> None:
    """Copy what decoding needs of the earlier stages: tokens, and the layer mix of stored features."""
    for name in ("tokens.txt", "bpe.model"):
        if (run.ctx.tokens / name).exists():
            shutil.copyfile(run.ctx.tokens / name, out / name)
    if run.info.get("layers") == "mix" and not run.cfg.features.on_the_fly:
        _copy_mix(run.ctx, run.info, out)


def _job(run: Resolved, out: Path) -> Job:
    work = out / "work"
    work.mkdir(exist_ok=True)
    sets = {"train": run.training_speech(work / "labelled"), "dev": run.sets["dev"]}
    if mixed := mixture(run, sets["train"], work / "mixture"):
        sets["train"] = mixed.files
    frontend = onfly.build(run.cfg, run.info) if run.cfg.features.on_the_fly else None
    facts = {name: _prepare(run, files, work / name, frontend) for name, files in sets.items()}
    return Job(sets, mixed, frontend, stacked(run.cfg.train, run.info["frame_rate"]), work, facts)


def _train(run: Resolved, job: Job, out: Path) -> None:
    """ESPnet's training, in this process, from the last whole checkpoint or from the source's parameters."""
    frames = write_plan(run, job.mixed, job.work / "train")
    if not transfer.take_statistics(run.source, run.info, out):
        _statistics(run.cfg, job, out / "feats_stats.npz")
    train, config = run.cfg.train, job.work / "train.yaml"
    labels = tags.tagged(run, job.sets, job.work) if run.tokenizer.tags else job.sets
    wanted = timing.wanted_epochs(train, frames, run.info["frame_rate"])
    _write_yaml(config, _arguments(run, job, labels, wanted, out))
    plan = timing.planned(config, train, wanted, out)
    steps = timing.batches(train, frames, run.info["frame_rate"])
    while True:
        start = starts.current(job.work, run.cfg, plan)
        arguments = _arguments(run, job, labels, start.epochs, out) | {"seed": start.seed(run.cfg.seed)}
        _write_yaml(config, arguments)
        if run.source is not None:
            first = transfer.start(run, run.source, fresh_model(config), out)
            _write_yaml(config, arguments | {"init_param": [str(first)]})
        restore_checkpoint(out)
        starts.watch(job.work, run.cfg, start, plan, steps)
        try:
            if ranks.wanted(run.cfg):
                ranks.train(run.cfg, config, out, run.tokenizer.type, start.epochs)
                return
            # ESPnet prints its command line
            with (
                logging_to(out / "train.log", run.cfg.recipe, run.tokenizer.type, start.epochs),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                XltTask.main(cmd=["--config", str(config)])
        except starts.Stuck as stuck:
            starts.again(out, start, stuck)
        else:
            return


def _clean(job: Job, out: Path) -> None:
    """Keep the lists of what was left out; the epochs' models, checkpoints and ESPnet's tables go."""
    for name in job.sets:
        if (job.work / name / "infeasible").exists():
            shutil.copyfile(job.work / name / "infeasible", out / f"infeasible_{name}")
    starts.remove(out)
    shutil.rmtree(job.work)


def _summary(train: TrainConfig, out: Path) -> dict:
    """Say what was trained; facts for the stamp."""
    history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    parameters = sum(p.numel() for p in read_weights(out / "model.pth", AGAIN).values())
    best = min(len(history), train.average_best)
    millions = parameters / 1e6
    say(f"  {epochs(len(history))}; the model is the mean of the {best} best, {millions:.1f} M parameters")
    return {"epochs": len(history), "parameters": parameters}


def _write_yaml(path: Path, arguments: dict) -> None:
    path.write_text(yaml.safe_dump(arguments, allow_unicode=True), encoding="utf-8")


def _prepare(run: Resolved, files: Speech, folder: Path, frontend: Frontend | None) -> dict:
    """Write ``speech_shape`` of the utterances of a set that CTC can learn: frames behind the encoder ≥ U +
    repeats.

    The others are listed in ``infeasible``. Frames are counted on the fly as well: batches are then the same
    as with the cached features.
    """
    folder.mkdir(exist_ok=True)
    train, tokenizer = run.cfg.train, run.tokenizer
    text, texts, frames = files.text, read_table(files.text), read_table(files.lengths)
    same_keys(text, files.scp, texts, read_table(files.scp))
    same_keys(text, files.lengths, texts, frames)
    if frontend is None:
        check_archives(files.scp, run.cfg.recipe)
    else:
        frames = {utt: str(frontend.num_frames(int(samples))) for utt, samples in frames.items()}
    shapes, infeasible = {}, []
    for utt, line in texts.items():
        if ctc_frames(train, int(frames[utt]), run.info["frame_rate"]) < ctc_steps(
            tokenizer.encode(line)
        ) + bool(tokenizer.tags):
            infeasible.append(utt)
        else:
            shapes[utt] = frames[utt]
    if infeasible:
        say(
            f"  {folder.name}: {len(infeasible)} of {len(texts)} utterances have fewer frames than CTC needs"
            " for their text and are left out:"
            f" {' '.join(infeasible[:5])}{' …' if len(infeasible) > 5 else ''}; infeasible_{folder.name}"
            " beside the model lists all, data/check/report.md says what can be done"
        )
        (folder / "infeasible").write_text("\n".join(infeasible) + "\n", encoding="utf-8")
    if not shapes:
        raise DataError(
            f"{text}: no utterance is left to learn from; raise data.train_minutes, use tokens.type=bpe,"
            " raise train.frame_rate, or let the encoder shorten less (train.encoder_conf)"
        )
    # the dimension behind the comma is ignored by the length sampler but is part of the format
    (folder / "speech_shape").write_text("".join(f"{u} {t},1\n" for u, t in shapes.items()), encoding="utf-8")
    return {"utterances": len(shapes), "infeasible": len(infeasible)}


def _statistics(cfg: Config, job: Job, out: Path) -> None:
    """``feats_stats.npz``: ESPnet's count (), sum (D,), sum_square (D,) over all training frames, or the
    frontend's own.
    """
    files, utts = job.sets["train"], read_table(job.work / "train" / "speech_shape")
    if job.frontend is not None:
        if not out.exists():  # it takes a pass over the speech, and appears whole
            samples = read_table(files.lengths)
            onfly.take_statistics(job.frontend, cfg, files.scp, {u: int(samples[u]) for u in utts}, out)
        return
    reader, all_frames = FeatureReader(files.scp, cfg.recipe), Moments()
    for utt in utts:
        all_frames.add(Moments.of_features(reader[utt]))
    np.savez(
        out,
        count=np.float64(all_frames.count),
        sum=np.float32(all_frames.total),
        sum_square=np.float32(all_frames.products),
    )


def _arguments(run: Resolved, job: Job, sets: dict[str, Speech], epochs: int, out: Path) -> dict:
    """The options of ``espnet2.bin.asr_train`` for this experiment."""
    ctx, cfg, info, tokenizer = run.ctx, run.cfg, run.info, run.tokenizer
    work, stack, stats = job.work, job.stack, out / "feats_stats.npz"
    train, rate = cfg.train, info["frame_rate"]

    def data(files: Speech) -> list[list[str]]:
        scp = places.whole_scp(ctx, files.scp, work)
        return [[scp, "speech", files.kind], [str(files.text), "text", "text"]]

    outputs = run.labels.posteriors if run.labels else None
    teacher = [[places.whole_scp(ctx, outputs, work), taught.POSTERIORS, FEATS]] if outputs else []

    if cfg.features.on_the_fly:
        source = {"input_size": None, "normalize": None, **onfly.frontend_options(cfg, info, stats)}
    else:
        source = {
            "input_size": info["dim"],
            "normalize": "global_mvn",
            "normalize_conf": {"stats_file": str(stats)},
        }
    # with an attention decoder, ESPnet's accuracy of it is the criterion; without one there is only CTC
    criterion = {
        "none": ["valid", "cer_ctc", "min"],
        transducer.DECODER: ["valid", "cer_transducer", "min"],
    }.get(train.decoder, ["valid", "acc", "max"])
    ngpu = torch.cuda.device_count() if train.ngpu is None else train.ngpu
    if train.nodes is not None:  # what this machine has says nothing of them
        ngpu = cfg.cluster.gpus
    elif ngpu > torch.cuda.device_count():
        raise StageError(
            f"train.ngpu={ngpu}: this machine has {torch.cuda.device_count()} GPUs that torch can use"
        )
    return {
        "output_dir": str(out),
        "log_level": "INFO",
        "seed": cfg.seed,
        "ngpu": ngpu,
        "multiprocessing_distributed": ngpu > 1,
        "dist_master_port": None,
        "num_workers": 0 if ngpu == 0 else 2,
        "resume": True,
        "use_tensorboard": False,
        "use_matplotlib": False,
        "num_att_plot": 0,
        "train_data_path_and_name_and_type": data(sets["train"]) + teacher,
        "valid_data_path_and_name_and_type": data(sets["dev"]),
        "train_shape_file": [str(work / "train" / "speech_shape")],
        "valid_shape_file": [str(work / "dev" / "speech_shape")],
        "batch_type": "length",
        "batch_bins": round(train.batch_s * rate),
        "sort_in_batch": "descending",
        "sort_batch": "ascending",
        "use_preprocessor": True,
        "token_type": "word" if tokenizer.type == "phone" or tokenizer.tags else tokenizer.type,
        "token_list": str(out / "tokens.txt"),
        "bpemodel": str(out / "bpe.model") if tokenizer.type == "bpe" else None,
        "cleaner": None,
        "g2p": None,
        **source,
        "specaug": None,
        "preencoder": "stem",
        "preencoder_conf": {
            "input_size": info["dim"],
            "stack": stack,
            "projection": train.projection,
            "time_mask": round(train.time_mask_s * rate / stack),
            "feature_mask": train.feature_mask,
            "num_masks": train.num_masks,
        },
        "encoder": train.encoder,
        "encoder_conf": encoder_arguments(train.encoder, train.encoder_conf, rate / stack),
        "decoder": None if train.decoder == "none" else train.decoder,
        "decoder_conf": train.decoder_conf,
        **_model(train),
        "optim": train.optim,
        "optim_conf": {"lr": train.lr},
        **_schedule(train, epochs),
        "val_scheduler_criterion": ["valid", "loss"],
        "early_stopping_criterion": criterion,
        "best_model_criterion": [criterion],
        "keep_nbest_models": train.average_best,
        "max_epoch": epochs,
        "patience": train.patience,
        "grad_clip": train.grad_clip,
    }


def _model(train: TrainConfig) -> dict:
    """ESPnet's model options."""
    conf: dict[str, Any] = {"ctc_weight": train.ctc_weight, "extract_feats_in_collect_stats": False}
    if train.posterior_weight:
        conf["posterior_weight"] = train.posterior_weight
    if train.decoder == transducer.DECODER:  # the joint network is as wide as the prediction network
        joint = {"joint_space_size": train.decoder_conf.get("hidden_size", transducer.HIDDEN)}
        return {"model": transducer.NAME, "joint_net_conf": joint, "model_conf": conf}
    return {"model_conf": conf, **({"model": taught.NAME} if train.posterior_weight else {})}


def _schedule(train: TrainConfig, epochs: int) -> dict:
    """ESPnet's scheduler options. Plateau follows the loss: CER stands still while only blanks come out at
    first.
    """
    if train.schedule == "cosine":
        return {"scheduler": "cosineannealinglr", "scheduler_conf": {"T_max": epochs}}
    plateau = {"mode": "min", "factor": 0.5, "patience": 2}
    if train.warmup_steps:
        return {
            "scheduler": "warmupreducelronplateau",
            "scheduler_conf": {**plateau, "warmup_steps": train.warmup_steps},
        }
    return {"scheduler": "reducelronplateau", "scheduler_conf": plateau}


def _keep(run: Resolved, job: Job, out: Path) -> None:
    """Write the averaged model, the history and, last, ``xlt.json``."""
    ctx, cfg = run.ctx, run.cfg
    run.write_heard(out)
    averaged = sorted(out.glob("valid.*.ave.pth"))
    if not averaged:
        raise StageError(f"{out}: ESPnet left no averaged model; see {out / 'train.log'}")
    shutil.copyfile(averaged[0].resolve(), out / "model.pth")
    if cfg.train.average_source and run.source is not None:
        transfer.average_in(run, run.source, out / "model.pth")
    write_json(out / "history.json", _history(out / NEWEST))
    places.keep_config(ctx, out)
    features = dict(run.info)
    if features.get("layers") == "mix" and cfg.features.on_the_fly:
        features["mix"] = onfly.learned_mix(out / "model.pth", features["mix_norm"])
        say("  learned layer weights: " + " ".join(f"{w:.3f}" for w in features["mix"]["weights"]))
    if tuning.tunes(cfg):
        features["tuning"] = tuning.settings(cfg)
        tuning.keep_architecture(ctx, out)
    parts = {"parts": [CTC, TRANSDUCER]} if cfg.train.decoder == transducer.DECODER else {}
    run.write_info(out, features, run.info["frame_rate"] / job.stack / shortening(cfg.train), **parts)


def _copy_mix(ctx: Context, info: dict, out: Path) -> None:
    """Keep the layer mix that the features were made with: ``xlt transcribe`` needs it."""
    from xlt.features.mix import Mix

    folder = ctx.dump / "mix"
    if Mix.load(folder).digest != info["mix"]["digest"]:
        raise DataError(
            f"{ctx.display_path(folder)}: is not the layer mix that {ctx.display_path(ctx.dump)} was made"
            " with; make them again with --stage 3"
        )
    for name in ("mix.json", "mix.npz"):
        shutil.copyfile(folder / name, out / name)


_SCORES = ("loss", "cer_ctc", "cer_transducer", "acc")


def _history(checkpoint: Path) -> list[dict]:
    """``[{"epoch": 1, "train_loss": …, "loss": …, "cer_ctc": …}, …]`` from ESPnet's reporter; loss and CER on
    dev.
    """
    stats = read_weights(checkpoint, AGAIN)["reporter"]["stats"]
    rows = []
    for epoch in sorted(stats):
        valid, train = stats[epoch].get("valid", {}), stats[epoch].get("train", {})
        row = {"epoch": epoch, "train_loss": train.get("loss")}
        row |= {k: valid[k] for k in _SCORES if k in valid and valid[k] == valid[k]}
        rows.append({k: round(float(v), 5) if k != "epoch" else v for k, v in row.items() if v is not None})
    return rows
