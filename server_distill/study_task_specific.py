"""Does a student distilled for personalization personalize better than one distilled plainly? An experiment.

    python -m server_distill.study_task_specific --output out/study-task-specific

Each arm goes on from the same student for the same number of steps on the same data (pictures that the teacher draws of
the class prompts), with the same seeds; only `server_distill.distill`'s task options differ. Then each student is
exported, learns the same held-out subjects with the core, and is scored as `evaluate_personalization` scores:

    gain         (after − before) / (ceiling − before) in Lite2 cosine
    before       the class as this student draws it, against the subject
    after        the subject as it draws it
    background   share of prompts whose background is there: prompt fidelity

What is done already (a distilled student, a bundle, a subject) is kept, so an interrupted study goes on; --dry_run says
what is missing. Writes report.json and report.md; a figure's spread is the standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from server_distill.default_model.backgrounds import PAINTERS
from server_distill.default_model.objects import read_catalogue
from server_distill.default_model.personalization_scores import prompts

LEARNED = "learned"
"""Folder, in the study's, of adapters that the starting student learned of subjects that are not scored."""
ARMS: dict[str, list[str]] = {
    "plain": [],
    "perturbed + attention": ["--task=personalization"],
    "learned + attention": ["--task=personalization", f"--perturbation_adapters={{output}}/{LEARNED}"],
    "attention only": ["--task=personalization", "--perturbed_share=0"],
    "perturbed only": ["--task=personalization", "--attention_weight=0"],
    "always perturbed": ["--task=personalization", "--perturbed_share=1"],
}
SCORES = ("gain", "before", "after", "background")


def run(*arguments: str) -> None:
    """Another program of the project. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", *arguments], check=True)


def class_prompts(path: Path) -> Path:
    """One prompt for every object that the model was trained on, each in a place of its own."""
    names = [item.name for item in read_catalogue("train")]
    places = list(PAINTERS)
    lines = [prompts(name, [places[i % len(places)]])[0] for i, name in enumerate(names)]
    path.write_text("\n".join(lines) + "\n")
    return path


def distilled(args: argparse.Namespace, arm: str, seed: int) -> Path:
    """The student of one arm and seed."""
    output = args.output / arm.replace(" ", "-") / str(seed)
    student = output / "student"
    if not (student / "model_index.json").exists():
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
    return output


def exported(args: argparse.Namespace, student: Path, bundle: Path) -> Path:
    """The bundle of a student, to be personalized with the settings that the starting one recommends."""
    if not (bundle / "manifest.json").exists():
        recommended = student / "recommended.json"
        if not recommended.exists():
            shutil.copy(args.student / recommended.name, recommended)
        run(
            "export.make_bundle",
            *("--model", str(student), "--output", str(bundle), "--prior-pack", str(args.prior_pack)),
            *("--report", str(bundle.with_suffix(".json"))),
        )
    return bundle


def learn_adapters(args: argparse.Namespace) -> None:
    """Personalize the starting student on the subjects that settings were tuned on, never scored ones."""
    bundle = exported(args, args.student, args.output / "start")
    run(
        "server_distill.default_model.evaluate_personalization",
        *("--tuning", "--bundle", str(bundle), "--output", str(args.output / LEARNED)),
    )


def scored(args: argparse.Namespace, output: Path) -> dict[str, float]:
    """Scores of a distilled student on held-out subjects, means over them."""
    bundle, result = exported(args, output / "student", output / "bundle"), output / "scores"
    run(
        "server_distill.default_model.evaluate_personalization",
        *("--bundle", str(bundle), "--output", str(result), "--subjects", str(args.subjects)),
    )
    report = json.loads((result / "report.json").read_text())
    return {name: report[f"{name}_mean"] for name in SCORES}


def mean_and_spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {spread:.3f}"


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """A row an arm; the last column is the gain less the plain arm's of the same seed."""
    lines = [f"| arm | seeds | {' | '.join(SCORES)} | gain over plain |", "| --- " * (len(SCORES) + 3) + "|"]
    for arm, runs in results.items():
        cells = [mean_and_spread([run[name] for run in runs]) for name in SCORES]
        pairs = zip(runs, results.get("plain", []), strict=False)  # the newest seed may lack one of the two
        over = [run["gain"] - plain["gain"] for run, plain in pairs]
        cells.append(mean_and_spread(over) if over and arm != "plain" else "")
        lines.append(f"| {arm} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, default=Path("models/default/teacher"))
    parser.add_argument("--student", type=Path, default=Path("models/default/student"), help="where each arm starts")
    parser.add_argument("--prior-pack", type=Path, default=Path("models/default/prior_pack.safetensors"))
    parser.add_argument("--output", type=Path, default=Path("out/study-task-specific"))
    parser.add_argument("--table", type=Path, help="also write the table there: docs/task-specific.md")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS)[:3])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--samples-per-prompt", type=int, default=8)
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--dry-run", action="store_true", help="say what is missing")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if not args.dry_run and any(LEARNED in option for arm in args.arms for option in ARMS[arm]):
        learn_adapters(args)
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in args.arms}
    for seed in range(args.seeds):  # all arms of a seed before the next seed: an early look compares like with like
        for arm in args.arms:
            folder = args.output / arm.replace(" ", "-") / str(seed)
            if args.dry_run:
                done = [name for name in ("student/model_index.json", "scores/report.json") if (folder / name).exists()]
                print(f"{arm}, seed {seed}: {', '.join(done) or 'nothing yet'}")
                continue
            results[arm].append(scored(args, distilled(args, arm, seed)))
            text = table({name: runs for name, runs in results.items() if runs})
            (args.output / "report.json").write_text(json.dumps(results, indent=1) + "\n")
            (args.output / "report.md").write_text(text)
            print(text)
    if args.table and not args.dry_run:
        args.table.write_text((args.output / "report.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
