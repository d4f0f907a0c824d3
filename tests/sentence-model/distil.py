"""Makes a static sentence model of all-MiniLM-L6-v2: one vector for each word piece, in the files that
`memory/config.yml` names.

The idea is Model2Vec's (github.com/MinishLab/model2vec, MIT): a transformer is asked once for each piece of its
vocabulary, the answers are cut to their main directions, and frequent pieces weigh less. What is left needs no
transformer: a text's vector is the mean of its pieces'.

    distil.py FOLDER_OF_THE_TRANSFORMER FOLDER_OF_THE_STATIC_MODEL
"""

import json
import shutil
import sys
from pathlib import Path

import numpy

DIMENSIONS = 256
BATCH = 256
HEADS = 12
# How strongly frequent pieces weigh less: the usual constant of smooth inverse frequency.
SMOOTHING = 1e-4


def tensors(path: Path) -> dict[str, numpy.ndarray]:
    """The float32 tensors of a safetensors file."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    found = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            start, end = (8 + length + at for at in about["data_offsets"])
            found[name] = numpy.frombuffer(raw[start:end], dtype="<f4").reshape(about["shape"])
    return found


def write(path: Path, embeddings: numpy.ndarray) -> None:
    """A safetensors file with one float16 tensor."""
    data = embeddings.astype("<f2").tobytes()
    about = {"embeddings": {"dtype": "F16", "shape": list(embeddings.shape), "data_offsets": [0, len(data)]}}
    header = json.dumps(about).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def norm(x: numpy.ndarray, weight: numpy.ndarray, bias: numpy.ndarray) -> numpy.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * weight + bias


def gelu(x: numpy.ndarray) -> numpy.ndarray:
    # The form by tanh; it differs from the exact one by less than half of a thousandth.
    return 0.5 * x * (1 + numpy.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def ask(model: dict[str, numpy.ndarray], pieces: numpy.ndarray) -> numpy.ndarray:
    """The mean of what the transformer makes of each row of pieces, all of one length."""

    def linear(x: numpy.ndarray, name: str) -> numpy.ndarray:
        # One large product: numpy would make a small one for each row of pieces.
        flat = x.reshape(-1, x.shape[-1]) @ model[f"{name}.weight"].T
        return (flat + model[f"{name}.bias"]).reshape(*x.shape[:-1], -1)

    rows, length = pieces.shape
    x = model["embeddings.word_embeddings.weight"][pieces]
    x = x + model["embeddings.position_embeddings.weight"][:length] + model["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, model["embeddings.LayerNorm.weight"], model["embeddings.LayerNorm.bias"])
    width = x.shape[-1] // HEADS
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in model:
        at = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{at}.attention.self.{part}").reshape(rows, length, HEADS, width).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / width**0.5
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ value
        seen = linear(seen.transpose(0, 2, 1, 3).reshape(rows, length, -1), f"{at}.attention.output.dense")
        x = norm(x + seen, model[f"{at}.attention.output.LayerNorm.weight"], model[f"{at}.attention.output.LayerNorm.bias"])
        inner = linear(gelu(linear(x, f"{at}.intermediate.dense")), f"{at}.output.dense")
        x = norm(x + inner, model[f"{at}.output.LayerNorm.weight"], model[f"{at}.output.LayerNorm.bias"])
        layer += 1
    return x.mean(1)


def main(source: Path, target: Path) -> None:
    model = tensors(source / "model.safetensors")
    vocabulary = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
    start, end = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    speaks = numpy.array([not (piece.startswith("[") and piece.endswith("]") and len(piece) > 2) for piece in vocabulary])
    pieces = numpy.flatnonzero(speaks)
    answers = []
    for at in range(0, len(pieces), BATCH):
        batch = pieces[at : at + BATCH]
        answers.append(ask(model, numpy.stack([numpy.full_like(batch, start), batch, numpy.full_like(batch, end)], 1)))
    answers = numpy.concatenate(answers)
    answers -= answers.mean(0)
    _, directions = numpy.linalg.eigh(answers.T @ answers)
    answers = answers @ directions[:, ::-1][:, :DIMENSIONS]
    # The vocabulary is ordered by how frequent its pieces are.
    frequency = 1 / (numpy.arange(len(pieces)) + 2)
    answers *= (SMOOTHING / (SMOOTHING + frequency / frequency.sum()))[:, None]
    embeddings = numpy.zeros((len(vocabulary), DIMENSIONS), dtype=numpy.float32)
    embeddings[pieces] = answers
    target.mkdir(parents=True, exist_ok=True)
    write(target / "model.safetensors", embeddings)
    # What cuts and pads would change how a text is split.
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer.update(truncation=None, padding=None)
    (target / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (target / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}), encoding="utf-8")
    if (source / "README.md").is_file():
        shutil.copy(source / "README.md", target / "SOURCE.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
