"""Every score of a set of pictures that can be had from the folders at hand, and why the others cannot.

    clip_t         mean cosine of picture and prompt (Ruiz et al. 2023: CLIP-T), the subject's plain class in the prompt
    clip_score     mean 2.5·max(cos, 0), "A photo depicts" before the same prompt (Hessel et al. 2021: CLIPScore)
    clip_i         mean cosine of picture and reference photo, over all pairs (Gal et al. 2022: CLIP-I)
    dino_i         the same in DINO's class token (Ruiz et al. 2023: DINO)
    lite2_i        the same in EfficientNet-Lite2's pooled features, which pip installs: neither CLIP-I nor DINO
    frechet_clip   Fréchet distance (Heusel et al. 2017) to the real pictures in CLIP's projected features
    frechet_lite0  the same in EfficientNet-Lite0's pooled features. Neither is FID: that is Inception's
    kid_lite0      squared maximum mean discrepancy to the real pictures, by the estimator of KID (Bińkowski et al.
                   2018), and its deviation over random subsets
    …_references   what the references score among one another: about the most that …_i can give

A score is None where `absent` says why. No network stands in for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from device_runtime import load_photo
from server_distill.default_model.personalization_scores import ceiling
from server_distill.evaluation.clip_scores import PREFIX, Clip, clip_score, clip_t
from server_distill.evaluation.dino_scores import Dino
from server_distill.evaluation.error import EvaluationError
from server_distill.evaluation.image_scores import cosines, frechet_distance, kid, kid_subset_size
from server_distill.evaluation.picture_features import Features, Network, file_features, lite_network
from server_distill.evaluation.pictures import load_png

SCORES = ("clip_t", "clip_score", "clip_i", "dino_i", "lite2_i", "frechet_clip", "frechet_lite0", "kid_lite0")
SIMILARITIES = {"clip_i": "clip", "dino_i": "dino", "lite2_i": "lite2"}
NO_FOLDER = {
    "clip": "no CLIP folder: give --clip",
    "dino": "no DINO folder: give --dino",
    "references": "no photos of the subject: give --references",
    "real": "no real pictures: give --real",
}
HELP = (__doc__ or "").partition("\n\n")[2]


@dataclass
class Scores:
    """Figures by name, why others are absent, and what a picture has by itself, (N,) each."""

    figures: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    by_picture: dict[str, Tensor] = field(default_factory=dict)


class Scorer:
    """The networks, and what they make of the photos, which are read at once.

    Raises EvaluationError where photos were given and not one can be used.
    """

    def __init__(
        self, references: Sequence[Path] | None, real: Sequence[Path] | None, clip: Clip | None, dino: Dino | None
    ) -> None:
        self.clip = clip
        self.networks: dict[str, Network] = {"lite0": lite_network("lite0"), "lite2": lite_network("lite2")}
        if clip is not None:
            self.networks["clip"] = clip.pictures
        if dino is not None:
            self.networks["dino"] = dino.pictures
        self.references = self._photos(references, {"lite2", "clip", "dino"}, "references")
        self.real = self._photos(real, {"lite0", "clip"}, "real")

    def _photos(self, paths: Sequence[Path] | None, names: set[str], title: str) -> Features:
        if paths is None:
            return Features({}, [], [])
        networks = {name: network for name, network in self.networks.items() if name in names}
        features = file_features(paths, networks, load_photo, f"reading {title}")
        if not features.paths:
            raise EvaluationError(f"--{title}: none of the {len(paths)} photos can be used")
        return features

    def score(self, drawn: Sequence[Path], texts: Sequence[str]) -> Scores:
        """`texts` has a text a picture of `drawn`."""
        wanted = {*self.references.tables, *self.real.tables, *(["clip"] if self.clip else [])}
        networks = {name: network for name, network in self.networks.items() if name in wanted}
        own = file_features(drawn, networks, load_png, "scoring").tables
        scores = Scores()
        self._prompt_fidelity(own, texts, scores)
        self._similarities(own, scores)
        self._distances(own, scores)
        scores.figures |= {name: float(values.mean()) for name, values in scores.by_picture.items()}
        return scores

    def _prompt_fidelity(self, own: dict[str, Tensor], texts: Sequence[str], scores: Scores) -> None:
        if self.clip is None:
            scores.absent |= {"clip_t": NO_FOLDER["clip"], "clip_score": NO_FOLDER["clip"]}
            return
        different = list(dict.fromkeys(texts))
        rows = torch.tensor([different.index(text) for text in texts])
        scores.by_picture["clip_t"] = clip_t(own["clip"], self.clip.texts(different)[rows])
        prefixed = self.clip.texts([PREFIX + text for text in different])
        scores.by_picture["clip_score"] = clip_score(own["clip"], prefixed[rows])

    def _lacking(self, network: str, option: str, photos: Features) -> str:
        """Why `network` cannot compare anything with `photos`; "" where it can."""
        missing = [name for name, there in ((option, photos.paths), (network, network in self.networks)) if not there]
        return "; ".join(NO_FOLDER[name] for name in missing)

    def _similarities(self, own: dict[str, Tensor], scores: Scores) -> None:
        for name, network in SIMILARITIES.items():
            if reasons := self._lacking(network, "references", self.references):
                scores.absent[name] = reasons
            else:
                table = self.references.tables[network]
                scores.by_picture[name] = cosines(own[network], table)
                if len(table) > 1:
                    scores.figures[f"{name}_references"] = ceiling(table)

    def _distances(self, own: dict[str, Tensor], scores: Scores) -> None:
        for name, network in (("frechet_clip", "clip"), ("frechet_lite0", "lite0"), ("kid_lite0", "lite0")):
            if reasons := self._lacking(network, "real", self.real):
                scores.absent[name] = reasons
            elif min(len(own[network]), len(self.real.paths)) < 2:
                scores.absent[name] = "it needs two drawn and two real pictures at least"
            elif name == "kid_lite0":
                mean, deviation = kid(own[network], self.real.tables[network])
                size = kid_subset_size(len(own[network]), len(self.real.paths))
                scores.figures |= {name: mean, f"{name}_deviation": deviation, f"{name}_subset_size": size}
            else:
                scores.figures[name] = frechet_distance(own[network], self.real.tables[network])
