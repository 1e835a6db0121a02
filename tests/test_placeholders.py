"""Words that textual inversions taught: their vectors in the prompt, and their place among its words."""

import pytest
import torch
from diffusers.loaders import TextualInversionLoaderMixin
from PIL import Image

from retouch.backbone.load import load
from retouch.editor import Editor
from retouch.errors import BadModel, BadPrompt
from retouch.prompts import changed_words, find_words, refinement_mapping, replacement_mapping
from tests.tiny import save_tiny, tiny_parts

TAUGHT = ("<cat>", "<cat>_1", "<cat>_2", "<one>", "<my_dog>", "<my_dog>_1", "*")


def taught(folder, kind="sd1"):
    """A small model's folder that textual inversions were loaded into."""
    parts = tiny_parts(folder / "made", kind)
    parts["tokenizer"].add_tokens(list(TAUGHT))
    torch.manual_seed(1)
    parts["text_encoder"].resize_token_embeddings(len(parts["tokenizer"]))
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(taught(tmp_path_factory.mktemp("taught")), device="cpu")


PROMPTS = (
    "a <cat> on a mat", "a <cat>, on a mat", "<cat>", "a <cat><cat>", "<cat> and <my_dog>s", "a <one> by *", "no cat",
    "", "<cat> " * 40, "a mat " * 12 + "<cat> on a mat",
)  # fmt: skip


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_expanded_as_diffusers_does(model, prompt):
    told = TextualInversionLoaderMixin().maybe_convert_prompt(prompt, model.tokenizer)
    expected = model.tokenizer(told, padding="max_length", truncation=True, max_length=77).input_ids
    assert list(model.tokens(prompt).ids) == expected
    states = model.text_encoder(torch.tensor([expected]))[0]
    torch.testing.assert_close(model.condition([prompt]).embeds, states)


def test_a_prompt_that_spells_the_vectors_out_says_the_same(model):
    short, spelt = model.tokens("a <cat> on a mat"), model.tokens("a <cat> <cat>_1 <cat>_2 on a mat")
    assert short.ids == spelt.ids


def test_a_placeholder_is_one_word_with_all_of_its_vectors(model):
    tokens = model.tokens("a <cat>, a <my_dog> and * on a cat-mat")
    assert [word.text for word in tokens.words] == ["a", "cat", "a", "my_dog", "and", "*", "on", "a", "cat-mat"]
    assert [len(tokens.words[i].tokens) for i in (1, 3, 5)] == [3, 2, 1]
    assert find_words(tokens, "<cat>") == find_words(tokens, "cat") == tokens.words[1].tokens
    assert find_words(tokens, "<My_Dog>,") == tokens.words[3].tokens
    assert find_words(tokens, "*") == tokens.words[5].tokens
    owned = [i for word in tokens.words for i in word.tokens]
    assert len(owned) == len(set(owned))  # no token belongs to two words
    with pytest.raises(BadPrompt, match="its words are: a, cat, my_dog"):
        find_words(tokens, "<fox>")


def test_replacement_carries_a_words_attention_to_all_vectors(model):
    source, target = model.tokens("a toad on a mat"), model.tokens("a <cat> on a mat")
    mapping = replacement_mapping(source, target)
    old, new, mat = source.words[1].tokens, target.words[1].tokens, target.words[4].tokens
    assert (len(old), len(new)) == (4, 3)
    assert all(mapping[i, j] == pytest.approx(1 / 3) for i in old for j in new)
    assert mapping[list(source.words[4].tokens)][:, list(mat)].diagonal().tolist() == [1] * len(mat)
    assert [[word.text for word in side] for side in changed_words(source, target)] == [["toad"], ["cat"]]


def test_refinement_keeps_what_stands_beside_a_placeholder(model):
    source, target = model.tokens("a <cat>"), model.tokens("a red <cat>")
    mapping, shared = refinement_mapping(source, target)
    assert [int(shared[i]) for i in target.words[1].tokens] == [0] * len(target.words[1].tokens)
    for i, j in zip(source.words[1].tokens, target.words[2].tokens, strict=True):
        assert mapping[i, j] == shared[j] == 1


def test_vectors_count_where_a_prompt_is_cut_off(model):
    assert model.truncated("<cat> " * 25) == "" and model.truncated("<cat> " * 26).startswith("<cat>")
    assert len(model.tokens("<cat> " * 26).words) == 25


def test_an_edit_by_attention_names_a_placeholder(model):
    picture = Image.new("RGB", (16, 16), "red")
    for aligner in ("refine", "replace"):
        result = Editor(model).edit(
            picture, source="a fox on a mat", target="a <cat> on a mat", method="prompt-to-prompt",
            num_inference_steps=2, aligner=aligner, blend_words="fox,<cat>",
        )  # fmt: skip
        assert result.recipe["target"] == "a <cat> on a mat"


def test_a_tokenizer_whose_vectors_were_not_saved_is_refused(tmp_path):
    folder = save_tiny(tmp_path / "m")
    tokenizer = tiny_parts(tmp_path / "made")["tokenizer"]
    tokenizer.add_tokens(["<cat>", "<cat>_1"])
    tokenizer.save_pretrained(folder / "tokenizer")
    with pytest.raises(BadModel, match="knows 517 tokens and its text encoder 515"):
        load(folder)
