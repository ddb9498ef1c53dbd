"""Does a student distilled for personalization personalize better than one distilled plainly? An experiment.

    python -m server_distill.study_task_specific

Each arm goes on from the same student for the same number of steps on the same data (pictures that the teacher draws of
the class prompts), with the same seeds; only `server_distill.distill`'s task options differ. Then each student is
exported, learns the same held-out subjects with the core, and is scored as `evaluate_personalization` scores:

    gain         (after − before) / (ceiling − before) in Lite2 cosine
    before       the class as this student draws it, against the subject
    after        the subject as it draws it
    background   share of prompts whose background is there: prompt fidelity
    output_error, reaction_error
                 how far it is from its teacher's outputs, and from its teacher's reaction to adapters, relatively
                 (distillation/reaction.py)

It takes hours, so it is made to be interrupted: a score goes into --results as soon as it is known, and is not computed
again, on this machine or another; what is half done lies in --output and is gone on from there. All arms of a seed come
before the next seed, so that an early look compares like with like. --dry_run says what is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors.torch import load_file

from models.weights_hash import weights_sha256
from models.whole_files import whole_file
from server_distill.data_sets.latent_cache import LatentCache
from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.personalization_scores import prompts
from server_distill.distillation.examples import Examples
from server_distill.distillation.kv_perturbation import learned_changes
from server_distill.distillation.reaction import errors_to_teacher

START = "start"
"""The arm of the student that all others go on from, as it is."""
LEARNED = "learned"
"""Folder, in the study's, of adapters that the starting student learned of subjects that are not scored."""
LEARNED_RANK = 64
"""All that a full adapter changed, nearly."""
ERROR_BATCHES = 20
ARMS: dict[str, list[str]] = {
    START: [],
    "plain": [],
    "perturbed + attention": ["--task=personalization"],
    "learned + attention": ["--task=personalization", f"--perturbation_adapters={{output}}/{LEARNED}"],
    "attention only": ["--task=personalization", "--perturbed_share=0"],
    "perturbed only": ["--task=personalization", "--attention_weight=0"],
    "always perturbed": ["--task=personalization", "--perturbed_share=1"],
    "samples alone": ["--output_weight=0", "--feature_weight=0"],
}
RECOMMENDED = "recommended.json"
"""In a student's folder: the settings that subjects are learned and painted with."""
SETTINGS = ("steps", "batch", "learning_rate", "samples_per_prompt", "subjects")
"""Options that a result depends on, besides its arm and seed."""
PERSONALIZATION_SCORES = ("gain", "before", "after", "background")
ERRORS = ("output_error", "reaction_error")
SCORES = (*PERSONALIZATION_SCORES, *ERRORS)

Results = dict[str, dict[str, dict[str, float]]]
"""Arm → seed → scores."""


def run(*arguments: str) -> None:
    """Another program of the project. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", *arguments], check=True)


def start_hash(student: Path) -> str:
    """A name for the weights that every arm goes on from."""
    weights = load_file(student / "unet" / "diffusion_pytorch_model.safetensors")
    return weights_sha256({"unet": weights})[:16]


def class_prompts(path: Path) -> Path:
    """One prompt for every object that the model was trained on, each in a place of its own."""
    names = [item.name for item in read_catalogue("train")]
    places = list(PAINTERS)
    lines = [prompts(name, [places[i % len(places)]])[0] for i, name in enumerate(names)]
    path.write_text("\n".join(lines) + "\n")
    return path


def distilled(args: argparse.Namespace, arm: str, seed: int, student: Path) -> None:
    """Distill the student of one arm and seed into the folder `student`, unless it is there."""
    if (student / "model_index.json").exists():
        return
    run(
        "server_distill.distill",
        f"--pretrained_model_name_or_path={args.teacher}",
        f"--student={args.student}",
        "--prepare_unet=False",
        f"--class_prompts={class_prompts(args.output / 'prompts.txt')}",
        f"--samples_per_prompt={args.samples_per_prompt}",
        f"--latents_cache_dir={args.output / 'latents'}",
        f"--output_dir={student}",
        f"--train_batch_size={args.batch}",
        f"--max_train_steps={args.steps}",
        f"--learning_rate={args.learning_rate}",
        "--lr_scheduler=cosine",
        f"--lr_warmup_steps={args.steps // 10}",
        "--feature_scale=power",
        "--proportion_empty_prompts=0.1",
        "--use_ema",
        "--ema_decay=0.99",
        f"--seed={seed}",
        *(option.format(output=args.output) for option in ARMS[arm]),
    )


def exported(args: argparse.Namespace, student: Path, bundle: Path) -> Path:
    """The bundle of a student, to be personalized with the settings that the starting one recommends."""
    if not (bundle / "manifest.json").exists():
        if not (student / RECOMMENDED).exists():
            shutil.copy(args.student / RECOMMENDED, student)
        run(
            "export.make_bundle",
            *("--model", str(student), "--output", str(bundle), "--prior-pack", str(args.prior_pack)),
            *("--report", str(bundle.with_suffix(".json"))),
        )
    return bundle


def start_bundle(args: argparse.Namespace) -> Path:
    return exported(args, args.student, args.output / START / "0" / "bundle")


def learn_adapters(args: argparse.Namespace) -> None:
    """Personalize the starting student on the subjects that settings were tuned on, never scored ones."""
    run(
        "server_distill.default_model.evaluate_personalization",
        *("--tuning", "--bundle", str(start_bundle(args)), "--output", str(args.output / LEARNED)),
    )


def errors(args: argparse.Namespace, student: Path) -> dict[str, float]:
    """A student against its teacher, on what every arm was taught on and with the adapters that LEARNED holds."""

    def unet(folder: Path) -> UNet2DConditionModel:
        return UNet2DConditionModel.from_pretrained(folder, subfolder="unet", dtype=torch.float32).eval()

    distilled(args, "plain", 0, args.output / "plain" / "0" / "student")  # which has the teacher draw the latents
    teacher, schedule = unet(args.teacher), DDPMScheduler.from_pretrained(args.teacher, subfolder="scheduler")
    scaling = AutoencoderKL.load_config(args.teacher, subfolder="vae")["scaling_factor"]
    examples = Examples(LatentCache(args.output / "latents"), scaling, schedule.config.num_train_timesteps)
    generator = torch.Generator().manual_seed(7)
    batches = (examples.batch(args.batch, generator) for _ in range(ERROR_BATCHES))
    changes = learned_changes(unet(args.student), args.output / LEARNED, rank=LEARNED_RANK)
    found = errors_to_teacher(teacher, unet(student), "bk_small", schedule, batches, changes)
    return {name: round(value, 4) for name, value in found.items()}


def arm_bundle(args: argparse.Namespace, arm: str, seed: int, folder: Path) -> Path:
    """The bundle of what one arm and seed made of the starting student, in `folder`."""
    if arm == START:
        return start_bundle(args)
    distilled(args, arm, seed, folder / "student")
    return exported(args, folder / "student", folder / "bundle")


def scored(args: argparse.Namespace, arm: str, seed: int) -> dict[str, float]:
    """Scores of one arm and seed: means over held-out subjects. Pictures and adapters stay in the study's folder."""
    folder = args.output / arm.replace(" ", "-") / str(seed)
    learn_adapters(args)
    bundle = arm_bundle(args, arm, seed, folder)
    run(
        "server_distill.default_model.evaluate_personalization",
        *("--bundle", str(bundle), "--output", str(folder / "scores"), "--subjects", str(args.subjects)),
    )
    report = json.loads((folder / "scores" / "report.json").read_text())
    student = args.student if arm == START else folder / "student"
    return {name: report[f"{name}_mean"] for name in PERSONALIZATION_SCORES} | errors(args, student)


def missing_scores(args: argparse.Namespace, results: Results) -> list[tuple[str, int]]:
    """Arms and seeds without a score, all arms of a seed before the next seed. No seed changes the starting student."""
    return [
        (arm, seed)
        for seed in range(args.seeds)
        for arm in args.arms
        if not set(SCORES) <= set(results.get(arm, {}).get(str(seed), {})) and (arm != START or seed == 0)
    ]


def read_results(path: Path, settings: dict[str, Any]) -> Results:
    """What is known already. Raises ValueError where it was found with other settings."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text())
    if kept["settings"] != settings:
        raise ValueError(
            f"{path} holds results of other settings, {kept['settings']}: give the same, or another --results"
        )
    return dict(kept["results"])


def write_results(path: Path, settings: dict[str, Any], results: Results) -> None:
    """`path`, and the page beside it that shows them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")
    with whole_file(path.with_suffix(".md")) as temporary:
        temporary.write_text(page(settings, results))


def mean_and_spread(values: list[float]) -> str:
    """Empty where nothing is known."""
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def table(results: Results) -> str:
    """A row an arm; the last column is the gain less the plain arm's of the same seed."""
    lines = [f"| arm | seeds | {' | '.join(SCORES)} | gain over plain |", "| --- " * (len(SCORES) + 3) + "|"]
    plain = results.get("plain", {})
    for arm, seeds in results.items():
        cells = [mean_and_spread([scores[name] for scores in seeds.values() if name in scores]) for name in SCORES]
        over = [scores["gain"] - plain[seed]["gain"] for seed, scores in seeds.items() if seed in plain]
        cells.append(mean_and_spread(over) if arm != "plain" else "")
        lines.append(f"| {arm} | {len(seeds)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def described(arm: str) -> str:
    """How an arm's student was distilled."""
    if arm == START:
        return "the shipped student, as it is"
    return f"`{' '.join(ARMS[arm]).format(output='…') or '--task=general'}`"


def page(settings: dict[str, Any], results: Results) -> str:
    """What was done, and the table."""
    arms = "".join(f"- {arm}: {described(arm)}\n" for arm in results)
    return (
        "# Does distilling for personalization help it?\n\n"
        "Written by `make study-task-specific`. Every arm but `start` goes on from the shipped student for "
        f"{settings['steps']} steps of {settings['batch']} at a learning rate of {settings['learning_rate']:g}, on the "
        f"teacher's pictures of the class prompts, {settings['samples_per_prompt']} of each; then "
        f"{settings['subjects']} held-out subjects are learned and painted. Mean ± standard deviation over seeds.\n\n"
        f"{arms}\n{table(results)}\n"
        "`before`, `after`: Lite2 cosine between the subject and its class as the student draws it, and the subject as "
        "it draws it; `gain`: the way from `before` to what the subject's own views score. `background`: share of "
        "prompts whose background is there. `output_error`, `reaction_error`: squared distance from the teacher's "
        "output, and from the teacher's reaction to adapters, relative to their own size.\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, default=Path("models/default/teacher"))
    parser.add_argument("--student", type=Path, default=Path("models/default/student"), help="where each arm starts")
    parser.add_argument("--prior-pack", type=Path, default=Path("models/default/prior_pack.safetensors"))
    parser.add_argument("--output", type=Path, default=Path("out/study-task-specific"))
    parser.add_argument("--results", type=Path, default=Path("docs/task-specific.json"), help="and a page beside it")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS)[:4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--samples-per-prompt", type=int, default=1)
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--dry-run", action="store_true", help="say what is missing")
    args = parser.parse_args()
    settings = {
        "student": start_hash(args.student),
        "recommended": json.loads((args.student / RECOMMENDED).read_text()),
        **{name: getattr(args, name) for name in SETTINGS},
    }
    try:
        results = read_results(args.results, settings)
    except ValueError as error:
        parser.error(str(error))
    missing = missing_scores(args, results)
    if args.dry_run:
        print("".join(f"{arm}, seed {seed}\n" for arm, seed in missing) or "nothing is missing\n", end="")
        return 0
    args.output.mkdir(parents=True, exist_ok=True)
    for arm, seed in missing:
        scores = scored(args, arm, seed)
        results = read_results(args.results, settings)  # another process may have added to them meanwhile
        results.setdefault(arm, {})[str(seed)] = scores
        write_results(args.results, settings, results)
        print(table(results), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
