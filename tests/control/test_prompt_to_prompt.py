"""Prompt-to-Prompt's rules inside the network, on small random models whose attention maps can be read."""

import pytest
import torch
from torch.nn import functional

from retouch.control.local_blend import LocalBlend
from retouch.control.prompt_to_prompt import PromptToPrompt, replaced_steps
from retouch.parts.attach import attached
from retouch.parts.edits import AttentionEdit, Group, Now
from retouch.parts.rows import SOURCE, TARGET, TARGET_NULL, Step
from retouch.prompts import tokenize
from tests.tiny import tiny_backbone

ROWS = [SOURCE, TARGET_NULL, TARGET]
T = 10


class Recorder(AttentionEdit):
    """An attention edit that changes nothing and keeps the probabilities, or the queries and keys, by layer."""

    def __init__(self):
        self.probs, self.qk = {}, {}

    def wants(self, layer):
        return True

    def change_qkv(self, layer, moment, query, key, value):
        self.qk[layer.name] = dict(zip(moment.rows, zip(query, key, strict=True), strict=True))
        return query, key, value

    def rows_with_probs(self, layer, moment):
        return ROWS if layer.kind == "cross" else []

    def change_probs(self, layer, moment, probs):
        self.probs[layer.name] = probs
        return probs


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_backbone(tmp_path_factory.mktemp("m"))


def evaluated(model, source, target, number, controlled=True, **settings):
    """One network evaluation of the three rows at step ``number``: output [3, …] and what the recorder saw."""
    tokens = [tokenize(model.tokenizer, prompt, model.max_tokens) for prompt in (source, target)]
    control, recorder = PromptToPrompt(**settings), Recorder()
    control.align(*tokens)
    schedule = model.schedule(T)
    step = Step(T - 1 - number, number, T, schedule)
    step.rows = ROWS
    z = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embeds = model.condition([source, "", target])
    from retouch.control.prompt_to_prompt import _CrossMaps, _SelfMaps

    edits = [
        _CrossMaps(control, model.device),
        _SelfMaps(control.self_replace_steps, control.self_replace_downsampling),
    ]
    with attached(model, [*(edits if controlled else []), recorder]) as now, torch.no_grad():
        now.step = step
        out = model.predict_noise(z, step.timestep, embeds)
    return out, recorder, tokens


def first_cross(model):
    """The first cross-attention layer: nothing before it was changed by the control of cross-attention."""
    return next(layer.name for layer in model.attention_layers(kind="cross"))


def same(one, other):
    """Equal up to the rounding of one matrix product."""
    return torch.allclose(one, other, rtol=1e-5, atol=0)


NO_SELF = {"self_replace_steps": 0.0}


def test_replace_gives_the_target_the_sources_maps_and_leaves_the_null_row_alone(model):
    pair = ("a red pig", "a red dog")  # letters are tokens: equal lengths
    _, free, _ = evaluated(model, *pair, 0, controlled=False)
    _, seen, _ = evaluated(model, *pair, 0, cross_replace_steps=0.5, **NO_SELF)
    name = first_cross(model)
    assert same(seen.probs[name][TARGET], free.probs[name][SOURCE])
    assert same(seen.probs[name][TARGET_NULL], free.probs[name][TARGET_NULL])
    assert not same(free.probs[name][TARGET], free.probs[name][SOURCE])


def test_a_word_of_more_tokens_shares_the_maps_it_takes_over(model):
    _, free, (source, target) = evaluated(model, "a big cat", "a little cat", 0, controlled=False)
    _, seen, _ = evaluated(model, "a big cat", "a little cat", 0, cross_replace_steps=0.5, **NO_SELF)
    name = first_cross(model)
    old, new = (list(tokens.words[1].tokens) for tokens in (source, target))
    taken = free.probs[name][SOURCE][..., old].sum(-1, keepdim=True) / len(new)
    torch.testing.assert_close(seen.probs[name][TARGET][..., new], taken.expand(-1, -1, len(new)))


def test_words_after_one_of_more_tokens_take_their_own_maps(model):
    """The authors' code pairs positions there, so that they would take those of their neighbours."""
    pair = ("a big red cat", "a little red cat")
    _, free, (source, target) = evaluated(model, *pair, 0, controlled=False)
    _, seen, _ = evaluated(model, *pair, 0, cross_replace_steps=0.5, **NO_SELF)
    name = first_cross(model)
    assert len(source.words[1].tokens) < len(target.words[1].tokens)
    for old, new in zip(source.words[2:], target.words[2:], strict=True):
        assert old.text == new.text and old.tokens != new.tokens
        assert same(seen.probs[name][TARGET][..., list(new.tokens)], free.probs[name][SOURCE][..., list(old.tokens)])
    more = target.length - target.end
    theirs = free.probs[name][SOURCE][..., source.end : source.end + more]
    assert same(seen.probs[name][TARGET][..., target.end :], theirs)


def test_refine_keeps_the_maps_of_new_words_and_takes_the_rest_from_the_source(model):
    _, free, (source, target) = evaluated(model, "a cat", "a cat, wearing a hat", 0, controlled=False)
    _, seen, _ = evaluated(model, "a cat", "a cat, wearing a hat", 0, cross_replace_steps=0.5, **NO_SELF)
    name = first_cross(model)
    own, theirs, found = free.probs[name][TARGET], free.probs[name][SOURCE], seen.probs[name][TARGET]
    new = [token for word in target.words[2:] for token in word.tokens]
    old = list(range(source.end))  # the start, "a" and "cat": the same places in both prompts
    assert [word.tokens for word in source.words] == [word.tokens for word in target.words[:2]]
    assert same(found[..., new], own[..., new]) and not same(found[..., old], own[..., old])
    assert same(found[..., old], theirs[..., old])
    assert same(found[..., target.end], theirs[..., source.end])  # the end of the text
    more = target.length - target.end
    assert same(found[..., target.end :], theirs[..., source.end : source.end + more])


def test_padding_takes_the_maps_of_padding_where_words_are_deleted(model):
    """Counted from each prompt's end; by position the first of it would take those of the source's last words."""
    pair = ("a cat in a hat", "a cat")
    _, free, (source, target) = evaluated(model, *pair, 0, controlled=False)
    _, seen, _ = evaluated(model, *pair, 0, cross_replace_steps=0.5, **NO_SELF)
    name, deleted = first_cross(model), source.end - target.end
    theirs, found = free.probs[name][SOURCE], seen.probs[name][TARGET]
    assert deleted > 3 and source.words[-1].tokens[-1] == source.end - 1
    assert same(found[..., target.end : -deleted], theirs[..., source.end :])
    beyond = theirs[..., -1:].expand(-1, -1, deleted)  # the source has no more: its last serves the rest
    assert same(found[..., -deleted:], beyond)
    assert same(found[..., : target.end], theirs[..., : target.end])


def test_prompts_of_equal_length_are_paired_by_position(model):
    pair = ("a red cat", "a big cat")
    _, free, (source, target) = evaluated(model, *pair, 0, controlled=False)
    _, seen, _ = evaluated(model, *pair, 0, cross_replace_steps=0.5, aligner="refine", **NO_SELF)
    name, kept = first_cross(model), torch.ones(target.length, dtype=torch.bool)
    kept[list(target.words[1].tokens)] = False
    assert source.end == target.end
    assert same(seen.probs[name][TARGET][..., kept], free.probs[name][SOURCE][..., kept])


@pytest.mark.parametrize(
    ("share", "total", "ends"),
    [(0.8, 50, 40), (0.75, 10, 8), (0.5, 5, 3), (0.8, 4, 4), (0.4, 4, 2), (1.0, 7, 7), (0.0, 7, 0), (0.16, 5, 0)],
)
def test_a_share_of_cross_attention_is_of_one_step_more_than_there_are(share, total, ends):
    """int(share · (T + 1)), as in Prompt-to-Prompt's code, whose table of shares has T + 1 rows."""
    assert replaced_steps(share, total) == ends
    assert replaced_steps(torch.tensor([share, 0.0], dtype=torch.float64), total).tolist() == [ends, 0]


@pytest.mark.parametrize(
    ("share", "number", "replaced"),
    [(0.8, 7, True), (0.8, 8, False), (0.75, 7, True), (0.75, 8, False), (0.0, 0, False)],
)
def test_replacement_ends_after_its_share_of_the_steps(model, share, number, replaced):
    pair = ("a red pig", "a red dog")
    _, free, _ = evaluated(model, *pair, number, controlled=False)
    _, seen, _ = evaluated(model, *pair, number, cross_replace_steps=share, **NO_SELF)
    name = first_cross(model)
    assert same(seen.probs[name][TARGET], free.probs[name][SOURCE]) == replaced
    assert same(seen.probs[name][TARGET], free.probs[name][TARGET]) != replaced


def test_a_word_may_have_a_share_of_its_own(model):
    pair = ("a red pig", "a red dog")
    _, free, (_, target) = evaluated(model, *pair, 5, controlled=False)
    _, seen, _ = evaluated(model, *pair, 5, cross_replace_steps=0.8, cross_replace_words="dog=0.2", **NO_SELF)
    name, word = first_cross(model), torch.zeros(model.max_tokens, dtype=torch.bool)
    word[list(target.words[2].tokens)] = True
    assert same(seen.probs[name][TARGET][..., word], free.probs[name][TARGET][..., word])
    assert same(seen.probs[name][TARGET][..., ~word], free.probs[name][SOURCE][..., ~word])


@pytest.mark.parametrize(
    ("number", "reweight_while"), [(0, "replacing"), (0, "always"), (9, "replacing"), (9, "always")]
)
def test_reweighting_acts_while_maps_are_replaced_or_at_every_step(model, number, reweight_while):
    pair = ("a red cat", "a red cat")
    _, free, (_, target) = evaluated(model, *pair, number, controlled=False)
    _, seen, _ = evaluated(
        model, *pair, number, cross_replace_steps=0.5, reweight="red=3", reweight_while=reweight_while, **NO_SELF
    )
    name = first_cross(model)
    factors = torch.ones(model.max_tokens)
    if number < 5 or reweight_while == "always":
        factors[list(target.words[1].tokens)] = 3.0
    base = free.probs[name][SOURCE if number < 5 else TARGET]
    assert same(seen.probs[name][TARGET], base * factors)
    assert PromptToPrompt().reweight_while == "replacing"


@pytest.mark.parametrize(("reweight_while", "factor"), [("replacing", 1.0), ("always", 3.0)])
def test_a_word_is_reweighted_while_its_own_maps_are_replaced(model, reweight_while, factor):
    pair = ("a red pig", "a red dog")
    settings = {"cross_replace_steps": 0.8, "cross_replace_words": "red=0.2", "reweight": "red=3"}
    _, free, (_, target) = evaluated(model, *pair, 5, controlled=False)
    _, seen, _ = evaluated(model, *pair, 5, reweight_while=reweight_while, **settings, **NO_SELF)
    name, red, dog = first_cross(model), *(list(target.words[i].tokens) for i in (1, 2))
    assert same(seen.probs[name][TARGET][..., red], factor * free.probs[name][TARGET][..., red])
    assert same(seen.probs[name][TARGET][..., dog], free.probs[name][SOURCE][..., dog])


def self_attention_taken(model, number, **settings):
    """The levels whose self-attention is the source's at a step, and those where it is not."""
    _, seen, _ = evaluated(model, "a red pig", "a red dog", number, cross_replace_steps=0.0, **settings)
    taken = {True: set(), False: set()}
    for layer in model.attention_layers(kind="self"):
        pairs = zip(*(seen.qk[layer.name][row] for row in (SOURCE, TARGET)), strict=True)
        taken[all(torch.equal(one, other) for one, other in pairs)].add(layer.downsampling)
    return taken[True], taken[False]


@pytest.mark.parametrize(
    ("settings", "levels"),
    [({}, {4, 8}), ({"self_replace_downsampling": 2}, {2, 4, 8}), ({"self_replace_downsampling": 1}, {1, 2, 4, 8})],
)
def test_self_attention_takes_the_sources_queries_and_keys_at_its_levels_only(model, settings, levels):
    """Of a latent of 64 x 64 the default are 16² tokens and fewer, 2 are 32² and fewer."""
    found = self_attention_taken(model, 0, self_replace_steps=0.5, **settings)
    assert found == (levels, {1, 2, 4, 8} - levels)


@pytest.mark.parametrize(("number", "replaced"), [(6, True), (7, False)])
def test_a_share_of_self_attention_is_rounded_down(model, number, replaced):
    """0.79 of 10 steps are 7."""
    assert bool(self_attention_taken(model, number, self_replace_steps=0.79)[0]) == replaced


def test_equal_queries_and_keys_are_the_sources_map():
    q, k, v = torch.randn(3, 1, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    map_ = (q @ k.transpose(-1, -2) * 4**-0.5).softmax(-1)
    torch.testing.assert_close(functional.scaled_dot_product_attention(q, k, v), map_ @ v)


def test_large_scores_do_not_overflow_in_half_precision(model):
    """Queries and keys whose product exceeds float16 before the scale, as networks of SD 2.x have them."""
    from retouch.parts.attach import EditedAttention

    layer = model.attention_layers(kind="cross")[0]
    now = Now()
    now.step = Step(0, 0, 1, model.schedule(1), [SOURCE])

    class Asks(Recorder):
        def rows_with_probs(self, layer, moment):
            return [SOURCE]

    edit = Asks()
    query = key = torch.full((1, 2, 4, 64), 60.0, dtype=torch.float16)  # 64 · 60² = 230 400 > 65 504

    class Attention:
        scale = 0.125

    group = [Group([edit], (), now)]
    out = EditedAttention(layer, group)._attend(Attention, group, query, key, torch.ones_like(query))
    assert torch.isfinite(edit.probs[layer.name][SOURCE]).all() and torch.equal(out, torch.ones_like(query))


def test_local_blend_keeps_the_source_where_no_word_looks(model):
    schedule = model.schedule(T)
    blend = LocalBlend((1,), (1,), threshold=0.5)
    heat = torch.zeros(4, 4)
    heat[0, 0] = 1.0
    blend.maps.add(SOURCE, heat.flatten())
    blend.maps.add(TARGET, torch.zeros(16))
    state = {"source": torch.zeros(1, 4, 8, 8), "target": torch.ones(1, 4, 8, 8)}
    assert blend.apply(state, Step(T - 2, 1, T, schedule)) is state  # the first fifth of the steps is free
    blended = blend.apply(state, Step(T - 3, 2, T, schedule))
    expected = torch.zeros(8, 8)
    expected[:4, :4] = 1  # the cell, grown by one by the pooling, at twice its size
    assert torch.equal(blend.mask[0, 0], expected)
    assert torch.equal(blended["target"], expected.expand(1, 4, 8, 8)) and blended["source"] is state["source"]
