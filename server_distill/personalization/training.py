"""One personalization: its model, its batches, its loss, and the pictures that show how far it is."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from models.adapter import base_weights
from server_distill.personalization.batches import Batches, Encode, ViewOptions
from server_distill.personalization.class_images import Prior
from server_distill.personalization.concepts import Concept, Example, PersonalizationError
from server_distill.personalization.loss import personalization_losses
from server_distill.personalization.personalized_parameters import adapter_tensors, cast_frozen, make_trained
from server_distill.personalization.pretrained import Models, load_vae, new_pipeline, own_scheduler
from server_distill.training import loop as training_loop
from server_distill.training.diffusion_loss import target
from server_distill.training.precision import DTYPES


class Personalization:
    """Built from loaded models (new tokens spliced in), photos and class images; with none, it can't be trained.

    Raises PersonalizationError for a resolution that the image encoder can't take.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        args: argparse.Namespace,
        models: Models,
        photos: Sequence[Example],
        class_images: Sequence[Example],
        base_sha256: str,
    ) -> None:
        self.accelerator, self.args, self.models, self.base_sha256 = accelerator, args, models, base_sha256
        self.dtype = DTYPES[accelerator.mixed_precision]
        # Before they may become half precision.
        self.base = {name: weight.clone() for name, weight in base_weights(models.unet).items()}
        self.rows_an_example = 2 if args.with_prior_preservation else 1
        self.model = make_trained(
            args.method,
            models.unet,
            models.text_encoder,
            freeze_model=args.freeze_model,
            rank=args.rank,
            train_text_encoder=args.train_text_encoder,
            xformers=args.enable_xformers_memory_efficient_attention,
            seed=args.seed or 0,
            # Of dreambooth all is kept at the end.
            frozen_dtype=torch.float32 if args.method == "dreambooth" else self.dtype,
        )
        self.prepared: nn.Module = self.model
        self.cells = self._cells()
        self.digests = {"photos": _digest(photos), "class images": _digest(class_images)}
        if not photos:
            return
        if args.gradient_checkpointing:
            models.unet.enable_gradient_checkpointing()
            models.text_encoder.activation_checkpointing_enable()
        self.model.to(accelerator.device)
        self.batches = Batches(
            photos,
            class_images,
            ViewOptions(args.resolution, self.cells, args.hflip, not args.noaug, args.center_crop),
            self.tokenize,
            self._encoder(),
            batch_size=args.train_batch_size,
            num_train_timesteps=models.schedule.config.num_train_timesteps,
            seed=args.seed,
            processes=accelerator.num_processes,
            cache_views=args.cache_views,
        )
        if args.cache_views:
            models.vae = None

    def _cells(self) -> int:
        assert self.models.vae is not None
        factor = 2 ** (len(self.models.vae.config.block_out_channels) - 1)
        if self.args.resolution % factor:
            raise PersonalizationError(f"--resolution={self.args.resolution} should be a multiple of {factor}")
        return self.args.resolution // factor

    def _encoder(self) -> Encode:
        vae, device = self.models.vae, self.accelerator.device
        assert vae is not None
        cast_frozen(vae, self.dtype).to(device)

        @torch.no_grad()
        def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
            latents = vae.encode(pixels.to(device, self.dtype)).latent_dist
            return latents.mean.float() * vae.config.scaling_factor, latents.std.float() * vae.config.scaling_factor

        return encode

    def tokenize(self, prompt: str) -> Tensor:
        """Token ids int64 (n,), padded."""
        tokenizer = self.models.tokenizer
        ids = tokenizer(
            prompt, truncation=True, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt"
        )
        return ids.input_ids[0]

    def losses(self, micro_step: int) -> Mapping[str, Tensor]:
        device, schedule = self.accelerator.device, self.models.schedule
        batch = self.batches.batch(micro_step, self.accelerator.process_index)
        latents, noise, timesteps = (t.to(device) for t in (batch.latents, batch.noise, batch.timesteps))
        noisy = schedule.add_noise(latents, noise, timesteps).to(self.dtype)
        output = self.prepared(noisy, timesteps, batch.ids.to(device))
        wanted = target(schedule, latents, noise, timesteps)
        return personalization_losses(output, wanted, batch.mask.to(device), self.args.prior_loss_weight)

    def train(self, steps: int) -> int:
        """As training_loop.train does."""
        self.model.train()
        return training_loop.train(
            self.accelerator,
            self.args,
            self.model,
            self.losses,
            steps,
            prepare_losses=self._prepare,
            rows_an_example=self.rows_an_example,
            validate=self.validate if self.args.validation_prompt and self.args.num_validation_images > 0 else None,
            validate_every=self.args.validation_steps,
            settings={"base_weights_sha256": self.base_sha256, **self.digests},
        )

    def _prepare(self, prepared: nn.Module) -> None:
        self.prepared = prepared

    def pipeline(self) -> StableDiffusionPipeline:
        """The model as it is now, for drawing."""
        vae = self.models.vae or cast_frozen(load_vae(self.args), self.dtype).to(self.accelerator.device)
        return new_pipeline(replace(self.models, vae=vae))

    def whole_pipeline(self) -> StableDiffusionPipeline:
        """The same with the scheduler that the model came with, for keeping."""
        pipeline = new_pipeline(replace(self.models, vae=load_vae(self.args)))
        pipeline.scheduler = own_scheduler(self.args)
        return pipeline

    def adapter_tensors(self) -> dict[str, Tensor]:
        """Keys and values as they are now, or LoRA's factors; of textual inversion, the base's own."""
        if self.args.method == "textual_inversion":
            return self.base
        return adapter_tensors(self.model.unet, lora=self.args.method == "lora")

    @torch.no_grad()
    def validate(self, step: int) -> tuple[list[np.ndarray], list[str]]:
        """Pictures uint8 (H, W, 3) of the validation prompt, from the same noise every time; drawn on one process."""
        if not self.accelerator.is_main_process:
            return [], []
        self.model.eval()
        count, prompt = self.args.num_validation_images, self.args.validation_prompt
        pipeline = self.pipeline()
        pictures = []
        with self.accelerator.autocast():
            for i in range(count):
                generator = torch.Generator().manual_seed((self.args.seed or 0) + i)
                drawn = pipeline(
                    prompt, num_inference_steps=self.args.num_inference_steps, generator=generator, output_type="np"
                )
                pictures.append((drawn.images[0] * 255).round().astype(np.uint8))
        self.model.train()
        return pictures, [prompt] * count

    def result_bytes(self) -> int:
        """Of the largest file or folder that is written: float32."""
        if self.args.method != "dreambooth":
            return 4 * self.model.trained()
        assert self.models.vae is not None
        parts = (self.models.unet, self.models.text_encoder, self.models.vae)
        return 4 * sum(parameter.numel() for part in parts for parameter in part.parameters())

    def cached_bytes(self, pictures: int) -> int:
        """Of `--cache_views`: mean, deviation and mask of a view."""
        return 4 * pictures * self.args.cache_views * self.cells**2 * 9

    def training_record(self, concepts: Sequence[Concept], priors: Sequence[Prior], steps: int) -> dict[str, object]:
        """What the adapter's file says about how it was made; no paths."""
        args = self.args
        return {
            "method": args.method,
            "steps": steps,
            "learning_rate": training_loop.learning_rate(args, self.accelerator.num_processes, self.rows_an_example),
            "batch": args.train_batch_size * args.gradient_accumulation_steps * self.accelerator.num_processes,
            "seed": args.seed,
            "resolution": args.resolution,
            "instance_prompts": [concept.instance_prompt for concept in concepts],
            "photos": len(self.batches.photos),
            "class_images": sum(len(prior.images) for prior in priors),
            "prior_loss_weight": args.prior_loss_weight if priors else 0.0,
            "hflip": args.hflip,
            "augment": not args.noaug,
        }


def _digest(examples: Sequence[Example]) -> str:
    """Of pixels and prompts: a checkpoint must not go on with other pictures."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.picture.size}\0{example.prompt}\0".encode())
        digest.update(example.picture.tobytes())
    return f"{len(examples)}, {digest.hexdigest()[:16]}"
