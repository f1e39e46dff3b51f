"""ESPnet's ASR task with our encoders and frontends, a trainer that keeps the checkpoint before the newest,
model loading.

Importing this module imports espnet2 (10 to 17 s); nothing outside train/ and decode/ does.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import inspect
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from xlt.core.errors import ConfigError, DataError, StageError, XltError
from xlt.core.log import say
from xlt.core.registry import ENCODERS, FRONTENDS
from xlt.features.speech import FEATS
from xlt.formats.archives import FeatureReader
from xlt.formats.arrays import read_arrays
from xlt.formats.model_folder import in_bundle
from xlt.formats.tables import read_table
from xlt.formats.weights import UnloadableError, holds_code, load_plain, read_weights
from xlt.models.espnet import places, starts, tags, tuning
from xlt.models.espnet.arguments import ESPNET_DECODERS, is_plain, known_encoders, network_arguments
from xlt.models.espnet.average import average_nbest_models

with contextlib.redirect_stderr(io.StringIO()):  # it reports optional packages that we do not use
    from espnet2.iterators.abs_iter_factory import AbsIterFactory
    from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
    from espnet2.tasks.abs_task import IteratorOptions, optim_classes
    from espnet2.tasks.asr import (
        ASRTask,
        decoder_choices,
        encoder_choices,
        frontend_choices,
        model_choices,
        preencoder_choices,
    )
    from espnet2.train import reporter as espnet_reporter
    from espnet2.train import trainer as espnet_trainer
    from espnet2.train.dataset import DATA_TYPES

    from xlt.models.espnet import transducer
    from xlt.models.espnet.balance import Plan, PlanSampler, Shard
    from xlt.models.espnet.taught import NAME, POSTERIORS, TaughtModel
    from xlt.nets.encoders.stem import Stem

for _name in ENCODERS.names():
    encoder_choices.classes[_name] = ENCODERS.get(_name)
for _name in FRONTENDS.names():
    frontend_choices.classes[_name] = FRONTENDS.get(_name)
preencoder_choices.classes["stem"] = Stem
model_choices.classes[NAME] = TaughtModel
model_choices.classes[transducer.NAME] = transducer.TransducerModel
# ESPnet's own loader takes 57 ms to read 5 s of XLS-R-300M in one byte (ours 2 ms), and looks at no checksum
DATA_TYPES[FEATS] = {
    "func": lambda path: FeatureReader(Path(path)),
    "kwargs": [],
    "help": "feats.scp of stage 3",
}
# ESPnet's own holds all the models that it averages in memory
espnet_trainer.average_nbest_models = average_nbest_models

AGAIN = "train again with --stage 6 --force"
# arguments of networks that no recipe sets
GIVEN = ("self", "input_size", "vocab_size", "encoder_output_size", "embed_pad", "frame_rate")
NEWEST, BEFORE = "checkpoint.pth", "checkpoint.before.pth"


class XltTrainer(espnet_trainer.Trainer):
    """Moves the checkpoint aside before each epoch: if the next one is damaged, training resumes from
    there. Behind dev it may end a training that is to begin again (:mod:`xlt.models.espnet.starts`).
    """

    @classmethod
    def train_one_epoch(cls, *, options, distributed_option, **kwargs) -> bool:
        if not distributed_option.distributed or distributed_option.dist_rank == 0:
            newest = Path(options.output_dir) / NEWEST
            if newest.exists():
                newest.replace(newest.with_name(BEFORE))
        return super().train_one_epoch(options=options, distributed_option=distributed_option, **kwargs)

    @classmethod
    def validate_one_epoch(cls, *, reporter, options, **kwargs) -> None:
        super().validate_one_epoch(reporter=reporter, options=options, **kwargs)
        if "cer_ctc" in reporter.stats:
            rate = float(espnet_reporter.aggregate(reporter.stats["cer_ctc"]))
            starts.look(Path(options.output_dir), reporter.get_epoch(), rate)


class XltTask(ASRTask):
    trainer = XltTrainer

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> torch.nn.Module:
        model = super().build_model(args)
        tags.leave_out_of_rates(model)
        return model

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return (*super().optional_data_names(train, inference), POSTERIORS)

    @classmethod
    def build_sequence_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> AbsIterFactory:
        """ESPnet's, but with the batches of a plan (:mod:`xlt.models.espnet.balance`) if one lies beside the
        shapes.
        """
        plan = Plan.read(Path(iter_options.shape_files[0]).parent) if mode == "train" else None
        if plan is None:
            return super().build_sequence_iter_factory(args, iter_options, mode)
        shape = read_table(Path(iter_options.shape_files[0]))
        parts = torch.distributed.get_world_size() if iter_options.distributed else 1
        sampler = PlanSampler(
            plan,
            {utt: int(value.split(",")[0]) for utt, value in shape.items()},
            iter_options.batch_bins,
            max(parts, args.min_batch_size),
            args.seed,
        )
        if iter_options.distributed:
            sampler = Shard(sampler, torch.distributed.get_rank(), parts)
        return SequenceIterFactory(
            dataset=cls.build_dataset(args, iter_options, set(shape)),
            batches=sampler,
            seed=args.seed,
            num_iters_per_epoch=iter_options.num_iters_per_epoch,
            shuffle=True,
            num_workers=args.num_workers,
            collate_fn=iter_options.collate_fn,
            pin_memory=args.ngpu > 0,
        )

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: torch.nn.Module
    ) -> list[torch.optim.Optimizer]:
        groups = tuning.parameter_groups(model)
        if groups is None:
            return super().build_optimizers(args, model)
        return [optim_classes[args.optim](groups, **args.optim_conf)]

    @classmethod
    def main(cls, *args, **kwargs) -> None:
        try:
            super().main(*args, **kwargs)
        except RuntimeError as err:
            if not re.search(
                "inline_container|PytorchStreamWriter", str(err)
            ):  # torch's writer knows no errno
                raise
            raise StageError(
                f"a checkpoint could not be written ({str(err).splitlines()[0]}), most likely because the"
                " disk is full; free some space, then run the same command: it continues from the last epoch"
            ) from None


def restore_checkpoint(folder: Path) -> None:
    """Make ``checkpoint.pth`` the newest checkpoint that is whole, and say so if that is not the last one
    written.

    The model of its epoch is written again if a run was ended between the two files: the average may want it.
    Where it may want one of an earlier epoch that is damaged, training starts again.
    """
    for name in (NEWEST, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            found = load_plain(path)
            epoch = found["reporter"]["epoch"]
        except (UnloadableError, KeyError, TypeError) as err:
            if isinstance(err, UnloadableError) and err.code:
                raise DataError(f"{path}: {holds_code(err)}") from None
            say(
                f"  {path.name} is damaged ({err}); "
                + ("trying the one before" if name == NEWEST else "training starts again")
            )
            path.unlink()
            continue
        if name == BEFORE:
            path.replace(folder / NEWEST)
        newest, *earlier = (folder / f"{number}epoch.pth" for number in range(epoch, 0, -1))
        if not newest.exists() or not _is_whole(newest):
            torch.save(found["model"], newest)
        if damaged := [model for model in earlier if model.exists() and not _is_whole(model)]:
            say(f"  {damaged[-1].name} is damaged, and the mean may want it; training starts again")
            starts.remove(folder)
        return


def _is_whole(model: Path) -> bool:
    try:
        load_plain(model, mmap=True)
    except UnloadableError:
        return False
    return True


def check_arguments(kind: str, name: str, conf: dict) -> None:
    """Raise ConfigError unless ESPnet's ``kind`` (encoder, decoder) has ``name`` and its class takes
    ``conf``.
    """
    choices = {"encoder": encoder_choices, "decoder": decoder_choices}[kind].classes
    allowed = {"encoder": known_encoders(), "decoder": ESPNET_DECODERS}[kind]
    if name not in allowed:
        raise ConfigError(
            f"train.{kind}={name}: no such {kind}, or one of ESPnet's that needs files or downloads; there"
            f" are {', '.join(sorted(allowed))}"
        )
    if not is_plain(conf):
        raise ConfigError(
            f"train.{kind}_conf={conf}: an argument is neither a number nor a word; a trained model may hold"
            " no paths and addresses, so that others can open it: leave it out"
        )
    known = inspect.signature(choices[name].__init__).parameters
    offered = [n for n in known if n not in GIVEN]
    unknown = sorted(set(conf) - set(offered))
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        raise ConfigError(
            f"train.{kind}_conf: {name} has no argument {unknown[0]!r}; it has {', '.join(offered)}"
        )


def encoder_arguments(name: str, conf: dict, frame_rate: float) -> dict:
    """``conf`` of the encoder ``name``, with the frames a second of its input if it asks for them."""
    timed = "frame_rate" in inspect.signature(encoder_choices.classes[name].__init__).parameters
    return {**conf, "frame_rate": frame_rate} if timed else conf


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """ESPnet's notices on how it builds a model are not for the user."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def load_model(
    folder: Path, device: str = "cpu", arguments: argparse.Namespace | None = None
) -> torch.nn.Module:
    """The trained ESPnet model of ``exp/<tag>`` or of a bundle, in evaluation mode; ``arguments``: what
    :func:`load_arguments` gave.
    """
    args = load_arguments(folder) if arguments is None else copy.deepcopy(arguments)  # ESPnet changes them
    file = folder / "feats_stats.npz"
    try:
        read_arrays(file)  # which ESPnet reads with less care
        with quiet():
            model = XltTask.build_model(args)
        file = folder / "model.pth"
        model.load_state_dict(read_weights(file, AGAIN))
    except XltError:
        raise
    except Exception as err:  # ESPnet asserts, and checks types in its own way, what a file told it
        said = next(iter(str(err).splitlines()), type(err).__name__)
        raise DataError(f"{file}: cannot be loaded ({said[:120]}); {AGAIN}") from None
    return model.to(device).eval()


def fresh_model(config: Path) -> torch.nn.Module:
    """The untrained model of a configuration of ``espnet2.bin.asr_train``, as its seed makes it."""
    args = XltTask.get_parser().parse_args(["--config", str(config)])
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(args.seed)
        return XltTask.build_model(args)


def load_arguments(folder: Path) -> argparse.Namespace:
    """ESPnet's arguments in ``config.yaml``, as far as they build the model, with its file names pointing
    into ``folder``.
    """
    args, stats = network_arguments(folder / "config.yaml", AGAIN), str(folder / "feats_stats.npz")
    if args["frontend"]:
        args["frontend_conf"] = {
            **places.weights_of(args["frontend_conf"], folder),
            "stats_file": stats,
            **_weights_in(folder),
            **tuning.build_info(args["frontend_conf"], folder),
        }
    if args["normalize"] == "global_mvn":
        args["normalize_conf"] = {**args["normalize_conf"], "stats_file": stats}
    if args["bpemodel"]:
        args["bpemodel"] = str(folder / "bpe.model")
    return argparse.Namespace(**args)


def _weights_in(folder: Path) -> dict:
    """Where a frontend finds its weights if ``folder`` is a bundle: in it, or as on any machine."""
    packed = folder / "upstream"
    found = {"path": str(packed)} if packed.is_dir() else {}
    return {"path": None, "cache": None, **found} if in_bundle(folder) else found
