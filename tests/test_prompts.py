"""Words, tokens and the correspondence of two prompts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retouch.backbone.condition import slerp
from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.errors import BadPrompt
from retouch.prompts import (
    changed_words,
    find_words,
    per_token,
    refinement_mapping,
    replacement_mapping,
    tokenize,
    word_numbers,
)  # fmt: skip


@pytest.fixture(scope="module")
def tokens():
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    return lambda prompt: tokenize(tokenizer, prompt, tokenizer.model_max_length)


def test_punctuation_is_no_part_of_a_word(tokens):
    prompt = tokens("A red cat, sitting on a beach!")
    assert [word.text for word in prompt.words] == ["a", "red", "cat", "sitting", "on", "a", "beach"]
    assert find_words(prompt, "cat,") == find_words(prompt, "Cat") == (3,)


def test_a_word_of_many_tokens_owns_them_all(tokens):
    prompt = tokens("a zyqqur cat")
    word = prompt.words[1]
    assert word.text == "zyqqur" and len(word.tokens) > 1
    assert list(word.tokens) == list(range(word.tokens[0], word.tokens[-1] + 1))
    assert prompt.words[2].tokens[0] == word.tokens[-1] + 1


def test_several_words_and_repeated_words_are_found(tokens):
    prompt = tokens("a red cat on a red beach")
    assert find_words(prompt, "red") == (2, 6)
    assert find_words(prompt, "cat beach") == (3, 7)


def test_a_missing_word_is_an_error_that_names_the_words_there_are(tokens):
    with pytest.raises(BadPrompt, match=r"'cot' is not in the prompt 'a red cat'.*did you mean 'cat'.*a, red, cat"):
        find_words(tokens("a red cat"), "cot")
    with pytest.raises(BadPrompt, match="holds no word"):
        find_words(tokens("a red cat"), "...")


def test_replacement_of_equal_prompts_is_the_identity(tokens):
    prompt = tokens("a photo of a red cat")
    assert torch.equal(replacement_mapping(prompt, prompt), torch.eye(prompt.length))


def test_replacement_carries_each_word_to_its_counterpart(tokens):
    source, target = tokens("a red cat"), tokens("a red dog")
    assert torch.equal(replacement_mapping(source, target), torch.eye(source.length))


def test_replacement_shares_a_words_attention_among_many_tokens(tokens):
    source, target = tokens("a cat sitting"), tokens("a zyqqur sitting")
    mapping = replacement_mapping(source, target)
    new = target.words[1].tokens
    assert mapping[source.words[1].tokens[0], list(new)].tolist() == pytest.approx([1 / len(new)] * len(new))
    assert mapping[source.words[2].tokens[0], target.words[2].tokens[0]] == 1
    assert (mapping.sum(0) > 0).all()


def test_replacement_needs_equally_many_words(tokens):
    with pytest.raises(BadPrompt, match=r"3 and .* has 4: use 'refine'"):
        replacement_mapping(tokens("a red cat"), tokens("a red fat cat"))


def test_refinement_keeps_shared_tokens_and_leaves_new_ones_their_own(tokens):
    source, target = tokens("a cat on a beach"), tokens("a red cat on a beach, wearing a hat")
    mapping, shared = refinement_mapping(source, target)
    at = {word.text: word.tokens[0] for word in target.words}
    assert shared[at["red"]] == 0 and shared[at["hat"]] == 0 and shared[at["wearing"]] == 0
    assert mapping[source.words[1].tokens[0], at["cat"]] == 1 and shared[at["cat"]] == 1
    assert mapping[source.words[4].tokens[0], at["beach"]] == 1
    assert set(mapping.sum(0).tolist()) <= {0.0, 1.0}
    assert torch.equal(mapping.sum(0), shared)


@given(st.lists(st.sampled_from(["a", "red", "blue", "cat", "dog", "on", "beach", "hat"]), min_size=1, max_size=8))
def test_refinement_of_equal_prompts_is_the_identity(tokens, words):
    prompt = tokens(" ".join(words))
    mapping, shared = refinement_mapping(prompt, prompt)
    assert torch.equal(mapping, torch.eye(prompt.length)) and shared.all()


def test_changed_words_leave_articles_out(tokens):
    old, new = changed_words(tokens("a red cat on a beach"), tokens("an orange cat on a beach, wearing a hat"))
    assert [word.text for word in old] == ["red"] and [word.text for word in new] == ["orange", "wearing", "hat"]


def test_changed_words_are_those_places_not_every_equal_word(tokens):
    old, new = changed_words(tokens("a red cat on a red beach"), tokens("a blue cat on a red beach"))
    assert [word.tokens for word in old] == [(2,)] and [word.tokens for word in new] == [(2,)]


def test_word_numbers_are_read_and_refused(tokens):
    assert word_numbers("hat=2, cat=0.5", 0, 9) == {"hat": 2.0, "cat": 0.5} and word_numbers("", 0, 9) == {}
    for wrong in ("hat", "hat=", "=2", "hat=two"):
        with pytest.raises(BadPrompt, match="word=number"):
            word_numbers(wrong, 0, 9)
    for wrong in ("hat=nan", "hat=inf", "hat=-1", "hat=10"):
        with pytest.raises(BadPrompt, match=r"must lie in 0\.\.9"):
            word_numbers(wrong, 0, 9)
    assert per_token(tokens("a red hat"), {"hat": 2.0}, 1.0)[:5].tolist() == [1, 1, 1, 2, 1]


@given(st.floats(0, 1))
def test_slerp_keeps_length_and_ends(share):
    a, b = torch.nn.functional.normalize(torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    mixed = slerp(share, a, b)
    assert torch.allclose(mixed.norm(dim=-1), torch.ones(5), atol=1e-4)
    assert slerp(0.0, a, b) is a and slerp(1.0, a, b) is b
