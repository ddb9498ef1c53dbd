"""Concepts, class images and new tokens: what is read, in which order, and what is said when it can't be."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from server_distill.personalization import new_tokens
from server_distill.personalization.class_images import find_prior
from server_distill.personalization.concepts import (
    Concept,
    PersonalizationError,
    check_prompts,
    class_name,
    read_concepts,
    read_instances,
)
from tests import sd_shaped


def save(path: Path, value: int, size: tuple[int, int] = (40, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, dtype=np.uint8)).save(path)
    return path


def first_value(picture: Image.Image) -> int:
    return int(np.asarray(picture)[0, 0, 0])


def options(**changes: object) -> argparse.Namespace:
    values: dict[str, object] = {
        "concepts_list": None,
        "instance_prompt": "photo of a <new1> cat",
        "instance_data_dir": "photos",
        "class_prompt": "cat",
        "class_data_dir": "class",
        "with_prior_preservation": True,
        "real_prior": True,
        "num_class_images": 3,
        "class_dataset_name": None,
        "class_dataset_config_name": None,
        "class_image_column": "image",
        "class_caption_column": None,
        "prior_loss_weight": 1.0,
        "cache_dir": None,
        "resolution": 40,
    }
    return argparse.Namespace(**{**values, **changes})


def test_the_command_is_one_concept_and_a_list_several(tmp_path: Path) -> None:
    [concept] = read_concepts(options())
    assert concept == Concept("photo of a <new1> cat", Path("photos"), "cat", Path("class"))
    items = [
        {
            "instance_prompt": f"a <new{i}> {word}",
            "instance_data_dir": word,
            "class_prompt": word,
            "class_data_dir": "c",
        }
        for i, word in enumerate(("cat", "dog"), 1)
    ]
    path = tmp_path / "concepts.json"
    path.write_text(json.dumps(items))
    concepts = read_concepts(options(concepts_list=str(path), instance_prompt=None))
    assert [c.instance_prompt for c in concepts] == ["a <new1> cat", "a <new2> dog"]
    assert class_name(concepts) == "cat+dog"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{", "can't be read as JSON"),
        ("{}", "should hold a list of objects"),
        ("[]", "should hold a list of objects"),
        ('[{"instance_prompt": "a <new1>"}]', "concept 1 of .* gives no instance_data_dir"),
        ('[{"instance_prompt": 3, "instance_data_dir": "x"}]', "instance_prompt should be a text"),
        ('[{"instance_prompt": "p", "instance_data_dir": "x", "clas_prompt": "y"}]', "unknown 'clas_prompt'"),
    ],
)
def test_a_broken_list_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "concepts.json"
    path.write_text(text)
    with pytest.raises(PersonalizationError, match=words):
        read_concepts(options(concepts_list=str(path), with_prior_preservation=False))


def test_what_the_command_lacks_is_named() -> None:
    with pytest.raises(PersonalizationError, match="gives no --instance_prompt"):
        read_concepts(options(instance_prompt=None))
    with pytest.raises(PersonalizationError, match="gives no --class_prompt"):
        read_concepts(options(class_prompt=None))
    assert read_concepts(options(class_prompt=None, with_prior_preservation=False))


def test_class_words() -> None:
    assert Concept("photo of a <new1> cat", Path(), "black cat").class_word(["<new1>"]) == "cat"
    assert Concept("photo of a cat <new1>", Path()).class_word(["<new1>"]) == "cat"
    assert Concept("a <new1> dog", Path(), "captions.txt").class_word(["<new1>"]) == "dog"
    assert Concept("<new1>", Path()).class_word(["<new1>"]) == ""


def test_prompts_and_tokens_must_meet() -> None:
    concepts = [Concept("a <new1> cat", Path()), Concept("a <new2> dog", Path())]
    check_prompts(concepts, ["<new1>", "<new2>"])
    check_prompts(concepts, [])
    with pytest.raises(PersonalizationError, match='"a <new2> dog" has none of the modifier tokens'):
        check_prompts(concepts, ["<new1>"])
    with pytest.raises(PersonalizationError, match="no instance prompt has the modifier token <new3>"):
        check_prompts(concepts, ["<new1>", "<new2>", "<new3>"])


def test_photos_are_upright_and_broken_ones_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = np.zeros((40, 60, 3), dtype=np.uint8)
    picture[:, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: what is left in the file is the top
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:200])
    (tmp_path / "notes.txt").write_text("not a picture")
    [[photo]] = read_instances([Concept("p", tmp_path)])
    assert photo.picture.size == (40, 60) and photo.prompt == "p"
    values = np.asarray(photo.picture)[:, 20, 0]
    assert values[5] > 200 and values[-5] < 50
    words = capsys.readouterr().err
    assert "b.jpg is" in words and "1 broken pictures were skipped" in words


def test_folders_without_photos(tmp_path: Path) -> None:
    with pytest.raises(PersonalizationError, match="there is no folder .*nowhere"):
        read_instances([Concept("p", tmp_path / "nowhere")])
    with pytest.raises(PersonalizationError, match="no photos in it"):
        read_instances([Concept("p", tmp_path)])
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(PersonalizationError, match="none of its 1 photos can be read"):
        read_instances([Concept("p", tmp_path)])


def concept(path: Path | None, prompt: str = "cat") -> Concept:
    return Concept("p", Path(), prompt, path)


def test_class_images_of_a_folder(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"{i}.png", 10 * i)
    prior = find_prior(concept(tmp_path), options(resolution=36))
    assert [first_value(e.picture) for e in prior.images] == [0, 10, 20]
    assert {e.picture.size for e in prior.images} == {(36, 36)}
    assert {e.prompt for e in prior.images} == {"cat"} and prior.missing == 0
    with pytest.raises(
        PersonalizationError, match="4 usable class images, 9 are wanted; lower --num_class_images to 4"
    ):
        find_prior(concept(tmp_path), options(num_class_images=9))
    assert find_prior(concept(tmp_path), options(num_class_images=9, real_prior=False)).missing == 5
    assert find_prior(concept(tmp_path / "new"), options(real_prior=False)).missing == 3
    with pytest.raises(PersonalizationError, match="drop --real_prior to let the model draw them"):
        find_prior(concept(tmp_path / "new"), options())


def test_class_images_as_the_retrieval_service_left_them(tmp_path: Path) -> None:
    names = [save(tmp_path / "images" / f"{i}.jpg", 50 * i).name for i in range(3)]
    (tmp_path / "images.txt").write_text("".join(f"./elsewhere/images/{name}\n" for name in reversed(names)))
    (tmp_path / "caption.txt").write_text("third\nsecond\nfirst\n")
    prior = find_prior(concept(tmp_path), options())
    assert [e.prompt for e in prior.images] == ["third", "second", "first"]
    assert first_value(prior.images[0].picture) == pytest.approx(100, abs=2)
    (tmp_path / "caption.txt").write_text("one\n")
    with pytest.raises(PersonalizationError, match="has 3 lines, its captions"):
        find_prior(concept(tmp_path), options())


def test_class_images_of_a_list(tmp_path: Path) -> None:
    paths = [save(tmp_path / "far" / f"{i}.png", 50 * i) for i in range(3)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(path) for path in paths))
    assert [e.prompt for e in find_prior(concept(listed), options()).images] == ["cat"] * 3
    captions = tmp_path / "captions.txt"
    captions.write_text("a\nb\nc")
    assert [e.prompt for e in find_prior(concept(listed, str(captions)), options()).images] == ["a", "b", "c"]
    with pytest.raises(PersonalizationError, match="3 usable class images, 4 are wanted"):
        find_prior(concept(listed), options(num_class_images=4, real_prior=False))


def test_class_images_of_a_data_set(tmp_path: Path) -> None:
    rows = {"image": [str(save(tmp_path / f"{i}.png", 50 * i)) for i in range(4)], "text": list("abcd")}
    data = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    folder = tmp_path / "set"
    folder.mkdir()
    data.to_parquet(folder / "train.parquet")
    prior = find_prior(concept(None), options(class_dataset_name=str(folder), class_caption_column="text"))
    assert [(first_value(e.picture), e.prompt) for e in prior.images] == [(0, "a"), (50, "b"), (100, "c")]
    with pytest.raises(PersonalizationError, match="4 usable class images, 5 are wanted"):
        find_prior(concept(None), options(class_dataset_name=str(folder), num_class_images=5))
    with pytest.raises(PersonalizationError, match="no column 'nothing'"):
        find_prior(concept(None), options(class_dataset_name=str(folder), class_caption_column="nothing"))


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    sd_shaped.save_tokenizer(folder, 24)
    return folder


def new_tokenizer(folder: Path) -> new_tokens.CLIPTokenizer:
    return new_tokens.CLIPTokenizer.from_pretrained(folder)


def test_initializers(tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = new_tokenizer(tokenizer_folder)
    dog, cat = (tokenizer.encode(word, add_special_tokens=False)[0] for word in ("dog", "cat"))
    assert new_tokens.initializers(tokenizer, "dog+cat+photo", 2, []) == [dog, cat]
    assert new_tokens.initializers(tokenizer, None, 2, ["cat"]) == [cat, cat]
    assert "new tokens start as cat, cat" in capsys.readouterr().err
    with pytest.raises(PersonalizationError, match="'ktn' is 3 tokens"):
        new_tokens.initializers(tokenizer, "ktn", 1, [])
    with pytest.raises(PersonalizationError, match="2 modifier tokens need as many"):
        new_tokens.initializers(tokenizer, "dog", 2, [])


def test_new_tokens_must_be_new(tokenizer_folder: Path) -> None:
    tokenizer = new_tokenizer(tokenizer_folder)
    new_tokens.add_tokens(tokenizer, ["<new1>"])
    for token in ("<new1>", "dog"):
        with pytest.raises(PersonalizationError, match=f"{token} is in the vocabulary already"):
            new_tokens.add_tokens(tokenizer, [token])
    for token in ("<a/b>", "<a b>"):
        with pytest.raises(PersonalizationError, match="no file's name can hold"):
            new_tokens.add_tokens(tokenizer, [token])


@pytest.mark.parametrize("spare", [0, 5])
def test_spliced_rows_are_a_longer_table(tokenizer_folder: Path, spare: int) -> None:
    """Same states and gradients; some text encoders have more rows than their tokenizer has tokens."""
    first = sd_shaped.VOCABULARY
    tokens = ["<new1>", "<new2>"]
    tokenizer = new_tokenizer(tokenizer_folder)
    new_tokens.add_tokens(tokenizer, tokens)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    plain, spliced = (sd_shaped.make_text_encoder(vocab_size=first + spare, **small) for _ in range(2))
    initial = tokenizer.encode("dog cat", add_special_tokens=False)
    plain.resize_token_embeddings(max(len(tokenizer), first + spare), mean_resizing=False)
    with torch.no_grad():
        table = plain.get_input_embeddings().weight
        for row, source in enumerate(initial):
            table[first + row] = table[source]
    rows = new_tokens.splice(spliced, first, initial).rows
    ids = torch.tensor([tokenizer.encode("a <new1> dog"), tokenizer.encode("<new2> a cat")])
    for model in (plain, spliced):
        model(ids)[0].square().sum().backward()
    # Products and sums of the same float32 values in the same order.
    assert torch.equal(plain(ids)[0], spliced(ids)[0])
    torch.testing.assert_close(plain.get_input_embeddings().weight.grad[first : first + 2], rows.grad)
    with torch.no_grad():
        rows += 1
        plain.get_input_embeddings().weight[first : first + 2] += 1
    new_tokens.merge(spliced)
    assert torch.equal(spliced.get_input_embeddings().weight, plain.get_input_embeddings().weight)
    assert torch.equal(plain(ids)[0], spliced(ids)[0]) and spliced.config.vocab_size == len(table)
