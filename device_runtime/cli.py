"""Teach a model what your subject looks like, and paint it. Everything happens on this computer.

  personalize  learn a subject from a folder of photos; writes one small adapter file
  generate     paint pictures from a prompt, with or without an adapter
  merge        make one adapter of several, for prompts that name several subjects
  info         what a bundle or an adapter file holds

A first session:

  python -m device_runtime personalize --bundle out/bundle --photos photos/my-dog \\
      --class-name dog --token "<my-dog>" --output my-dog.safetensors --journal my-dog.journal
  python -m device_runtime generate --bundle out/bundle --adapter my-dog.safetensors \\
      --prompt "a photo of a <my-dog> dog in a bucket" --count 4 --output sheet.png

Interrupt it, or pull the plug: the same personalize command goes on where the journal ends.

Exit codes: 0 done, 1 failed (the message says why), 2 wrong arguments, 130 interrupted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_runtime.commands import generate, info, merge, personalize, say
from device_runtime.errors import LikenessError


def add_engine_options(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--bundle", type=Path, required=required, metavar="DIR", help="a bundle (make export)")
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="worker threads (default: one a physical core)",
    )
    parser.add_argument(
        "--memory-limit",
        type=float,
        default=0,
        metavar="MB",
        help="keep no more programs loaded than fit this, and load the others in turn (default: no limit)",
    )
    parser.add_argument("--skip-hash-check", action="store_true", help="open the bundle without hashing its files")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m device_runtime",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="personalize|generate|merge|info")

    p = commands.add_parser(
        "personalize",
        help="learn a subject from photos",
        description="Learn a subject from a folder of photos (4 to 20 of them, the subject in the middle, "
        "different backgrounds). Settings that are not given are the bundle's recommendation.",
    )
    add_engine_options(p)
    p.add_argument("--photos", type=Path, required=True, metavar="DIR", help="folder of photos")
    p.add_argument("--class-name", required=True, metavar="WORD", help="what it is, in a word: dog, mug, cat")
    p.add_argument("--token", metavar="<NAME>", help="the new word for your subject (default: <my-thing>)")
    p.add_argument("--output", type=Path, required=True, metavar="FILE", help="adapter file to write")
    p.add_argument(
        "--journal",
        type=Path,
        metavar="DIR",
        help="checkpoints; an interrupted session resumes from it",
    )
    p.add_argument("--dry-run", action="store_true", help="check the photos, say what it takes, and stop")
    p.add_argument("--adapter-kind", metavar="KIND", help="full or lora: larger and stronger, or small")
    p.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="more steps learn the subject better, and forget more",
    )
    p.add_argument("--optimizer", choices=("adamw", "muon"), help="of the keys' and values' matrices")
    p.add_argument("--learning-rate", type=float, metavar="X")
    p.add_argument(
        "--modifier-learning-rate",
        type=float,
        metavar="X",
        help="of the token's embedding; 0: not learned",
    )
    p.add_argument(
        "--prior-loss-weight", type=float, metavar="X", help="of pictures of the class; 0: none is looked at"
    )
    p.add_argument(
        "--prior-text-weight", type=float, metavar="X", help="how firmly other words keep their meaning; needs muon"
    )
    p.add_argument("--fine-timesteps", type=float, metavar="X", help="share of timesteps drawn from the lower 40 %%")
    p.add_argument(
        "--caption-places",
        action=argparse.BooleanOptionalAction,
        help="let the model say what is behind the subject in each photo, so that it is not learned with it",
    )
    p.add_argument("--views", type=int, metavar="N", help="augmented views of all photos together")
    p.add_argument("--seed", type=int, metavar="N", help="equal seeds and photos give equal adapters")
    p.add_argument("--checkpoint-every", type=int, metavar="N")
    p.add_argument("--preview-every", type=int, metavar="N", help="write a preview picture every N steps")
    p.add_argument("--preview-prompt", metavar="TEXT")
    p.set_defaults(function=personalize)

    g = commands.add_parser(
        "generate",
        help="paint pictures",
        description="Paint pictures from a prompt. With an adapter, use its token and class together: "
        '"a photo of a <my-dog> dog in a bucket".',
    )
    add_engine_options(g)
    g.add_argument("--prompt", required=True, metavar="TEXT")
    g.add_argument("--adapter", type=Path, metavar="FILE")
    g.add_argument("--negative-prompt", metavar="TEXT", help="what the pictures should not show")
    g.add_argument("--seed", type=int, metavar="N", default=0)
    g.add_argument("--count", type=int, metavar="N", help="number of pictures (default: 1)")
    g.add_argument("--steps", type=int, metavar="N", help="sampling steps")
    g.add_argument("--guidance-scale", type=float, metavar="X", help="how closely to follow the prompt; 1: off")
    g.add_argument("--sampler", choices=("dpmsolver++", "ddim"))
    g.add_argument("--output", type=Path, required=True, metavar="DIR|FILE.png", help="folder, or one sheet")
    g.set_defaults(function=generate)

    m = commands.add_parser(
        "merge",
        help="make one adapter of several",
        description="Make one adapter that knows the subjects of several, without training, so that a prompt can name "
        'them together: "a <my-dog> dog and a <my-cat> cat". The adapters are of one model and have different tokens.',
    )
    add_engine_options(m)
    m.add_argument("adapters", type=Path, nargs="+", metavar="FILE", help="adapter files, two or more")
    m.add_argument("--output", type=Path, required=True, metavar="FILE", help="adapter file to write, of kind full")
    m.set_defaults(function=merge)

    i = commands.add_parser("info", help="what a bundle or an adapter holds", description="Print it as JSON.")
    add_engine_options(i, required=False)
    i.add_argument("--adapter", type=Path, metavar="FILE", help="with --bundle: also checked against the model")
    i.set_defaults(function=info)
    return top


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        return int(args.function(args))
    except LikenessError as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(f"error: {error.filename or ''}: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
