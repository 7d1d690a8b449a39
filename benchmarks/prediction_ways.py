"""The ways to predict that `prediction_speed.py` compares: each takes texts and gives their (B, C) logits in order."""

import importlib.util
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, pipeline

BATCH = 32

# What the runtimes need; they are no dependencies of fenlei: `pip install onnx onnxscript onnxruntime openvino`.
NEEDS = {"onnxruntime": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}


def missing(runtime):
    """Which of the packages that a runtime needs are not installed."""
    return [name for name in NEEDS[runtime] if importlib.util.find_spec(name) is None]


def peers(network, folder, *, max_tokens, threads, device="cpu"):
    """Name -> way, or None where a package is missing. The runtimes get their texts sorted by length, their best way.

    Args:
        network: in evaluation mode, float32, with its own attention.
        folder: of the tokenizer.
        max_tokens: texts are cut to it.
        threads: of every way.
        device: where PyTorch's ways run; the runtimes run on the CPU alone.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network.to(device)
    ways = {
        "pipeline": _pipeline(network, tokenizer, max_tokens, device),
        "loop-fp32": _batched(_torch(network, device, bf16=False), tokenizer, max_tokens),
        "loop-bf16": _batched(_torch(network, device, bf16=True), tokenizer, max_tokens),
    }
    if device != "cpu":
        return ways
    names = {"onnxruntime": ("ort-fp32", "ort-int8"), "openvino": ("openvino-fp32", "openvino-bf16")}
    if all(map(missing, NEEDS)):
        return ways | dict.fromkeys(name for both in names.values() for name in both)
    with tempfile.TemporaryDirectory() as temporary:
        plain = _exported(network, Path(temporary))
        for runtime, session in (("onnxruntime", _onnx_session), ("openvino", _openvino_session)):
            for name in names[runtime]:
                ways[name] = None
                if not missing(runtime):
                    forward = session(plain, name.split("-")[1], threads)
                    ways[name] = _batched(forward, tokenizer, max_tokens, by_length=True)
    return ways


def _pipeline(network, tokenizer, max_tokens, device):
    pipe = pipeline("text-classification", model=network, tokenizer=tokenizer, device=device)
    place = network.config.label2id

    def way(texts):
        answers = pipe(
            texts, batch_size=BATCH, truncation=True, max_length=max_tokens, top_k=None, function_to_apply="none"
        )
        logits = np.empty((len(texts), len(place)), np.float32)
        for row, answer in enumerate(answers):
            for one in answer:
                logits[row, place[one["label"]]] = one["score"]
        return logits

    return way


def _batched(forward, tokenizer, max_tokens, *, by_length=False):
    def way(texts):
        order = sorted(range(len(texts)), key=lambda row: len(texts[row])) if by_length else range(len(texts))
        logits = [None] * len(texts)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [texts[row] for row in rows],
                truncation=True,
                max_length=max_tokens,
                padding=True,
                return_tensors="np",
            )
            for row, answer in zip(rows, forward(batch["input_ids"], batch["attention_mask"]), strict=True):
                logits[row] = answer
        return np.stack(logits)

    return way


def _torch(network, device, *, bf16):
    def forward(ids, mask):
        inputs = {"input_ids": torch.from_numpy(ids).to(device), "attention_mask": torch.from_numpy(mask).to(device)}
        with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            logits = network(**inputs).logits
        return logits.float().cpu().numpy()

    return forward


class _Logits(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, input_ids, attention_mask):
        return self.network(input_ids=input_ids, attention_mask=attention_mask).logits


def _exported(network, folder):
    """The network as ONNX, for any number of texts and tokens."""
    ids = torch.randint(5, 1000, (2, 17))
    names = ["input_ids", "attention_mask"]
    texts, tokens = torch.export.Dim("texts", min=1, max=4096), torch.export.Dim("tokens", min=2, max=512)
    path = folder / "plain.onnx"
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(network),
            (ids, torch.ones_like(ids)),
            path,
            dynamo=True,
            verbose=False,
            input_names=names,
            output_names=["logits"],
            dynamic_shapes={key: {0: texts, 1: tokens} for key in names},
        )
    return path


def _onnx_session(path, precision, threads):
    import onnxruntime

    if precision == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        logging.getLogger().setLevel(logging.ERROR)
        quantized = path.with_name("int8.onnx")
        quantize_dynamic(path, quantized, weight_type=QuantType.QInt8)
        path = quantized
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


def _openvino_session(path, precision, threads):
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    return lambda ids, mask: compiled({"input_ids": ids, "attention_mask": mask})["logits"]
