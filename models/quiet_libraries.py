"""What installed libraries say of each other when they are imported, and nobody who runs this can act on, is not shown.

torchao comes with ExecuTorch and misses its CUDA parts; torchvision is not needed. Errors are shown as ever. Filters,
not levels: the libraries set those again.
"""

import logging


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


for _name in (
    "torchao",
    "torch.utils._pytree",
    "diffusers.quantizers.torchao.torchao_quantizer",
    "transformers.utils.import_utils",
):
    logging.getLogger(_name).addFilter(_is_error)
