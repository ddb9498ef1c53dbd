"""Write a pipeline of Stable Diffusion 1.x's size: random weights and a BK-SDM-Small UNet, for trials of the exporter.

    python -m tests.sd_sized --output out/sd-sized/model         # 1.4 GB, float16
    python -m export.make_bundle --target coreml --attention original --model out/sd-sized/model \\
      --output out/sd-sized/bundle --train-batch 1 --denoise-batch 1 --text-batch 1 --jobs 1

Weights are PyTorch's own initial ones; the tokenizer is a small one of 700 tokens.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from server_distill.bench_distill import SD_TEXT, SD_UNET, SD_VAE, TOKENS
from server_distill.distillation.block_removal import make_student
from tests import sd_shaped


def save(folder: Path) -> None:
    torch.manual_seed(0)
    unet = make_student(UNet2DConditionModel(**SD_UNET), "bk_small").half()
    sd_shaped.save_pipeline(
        folder,
        prediction_type="epsilon",
        unet=unet,
        vae=AutoencoderKL(**SD_VAE).half(),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                **SD_TEXT,
                vocab_size=sd_shaped.VOCABULARY,
                max_position_embeddings=TOKENS,
                bos_token_id=sd_shaped.VOCABULARY - 2,
                eos_token_id=sd_shaped.VOCABULARY - 1,
                pad_token_id=sd_shaped.VOCABULARY - 1,
                hidden_act="quick_gelu",
            )
        ).half(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    save(parser.parse_args().output)


if __name__ == "__main__":
    main()
