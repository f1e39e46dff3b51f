"""Made-up results in the form that stage 9 leaves."""


def entry(value, low=None, high=None, n_ref=100, counts=(1, 2, 3)):
    sub, dels, ins = counts
    return {
        "value": value,
        "ci95": [value - 1 if low is None else low, value + 1 if high is None else high],
        "n_ref": n_ref,
        "sub": sub,
        "del": dels,
        "ins": ins,
    }


def document(tag, seed=0, cer=9.0, dev=8.0, peer=None, lang=("ron_Latn", "Romanian"), **config):
    """A result as stage 9 leaves it: ``cer`` on test, ``dev`` on dev, WER thrice as high."""
    scores = {
        name: {"cer": entry(value), "wer": entry(3 * value), "ser": entry(50.0), "chrf": entry(70.0)}
        for name, value in (("dev", dev), ("test", cer))
    }
    settings = {
        "features.upstream": "whisper_base",
        "features.path": None,
        "train.encoder": "blstm",
        "train.decoder": "none",
        "tokens.type": "char",
        "tokens.size": 150,
        "decode.method": "greedy",
        "data.train_minutes": 10.0,
        "seed": seed,
    } | config
    found = {
        **scores,
        "signature": {
            name: {"cer": f"CER {s['cer']['value']:.1f} ±1.0 | norm:ron-v1 | n:2 | tok:char | seed:{seed}"}
            for name, s in scores.items()
        },
        "data": dict.fromkeys(
            scores, {"utterances": 2, "speech_min": 1.5, "empty_references": [], "empty_hypotheses": 0}
        ),
        "experiment": {
            "tag": tag,
            "name": tag.split("_s")[0],
            "lang": lang[0],
            "language": lang[1],
            "normaliser": "ron-v1",
            "peer": peer is not None,
        },
        "config": settings if peer is None else {"model": "peer", "seed": 0},
        "versions": {"xlt": "0.1.0"},
        "environment": {"processor": "Made Up 1", "cores": 2, "memory_gib": 4, "system": "Linux x86_64"},
        "command": f"./run.sh tag={tag} seed={seed}",
        "commit": "abc123",
        "training": {
            "set": "train_10min",
            "speech_min": 9.9,
            "utterances": 3,
            "epochs": 7,
            "parameters": 1234,
        },
        "stages": {"train": 60.4},
        "examples": {
            "test": {"worst": [{"id": "s-1", "cer": 40.0, "ref": "a|b", "hyp": "ab"}], "median": []}
        },
    }
    if peer is not None:
        found["experiment"]["describe"] = peer
        del found["training"], found["stages"], found["examples"]
    return found


def phone_document(tag, per=30.0, seed=0, **kind):
    """A result of a phone experiment: PER and SER only."""
    found = document(tag, seed, **{"tokens.type": "phone"}, **kind)
    for name, value in (("dev", per - 1), ("test", per)):
        found[name] = {"per": entry(value), "ser": entry(90.0)}
        found["signature"][name] = {
            "per": f"PER {value:.1f} ±1.0 | norm:ron-v1+espeak:ro | n:2 | tok:phone | seed:{seed}"
        }
    found["examples"]["test"]["worst"] = [{"id": "s-1", "per": 40.0, "ref": "a b", "hyp": "a"}]
    return found
