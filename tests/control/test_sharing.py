"""MasaCtrl's and Plug-and-Play's rules inside networks of every kind: which layers, from which row, at which steps."""

import pytest
import torch

from retouch.control.feature_injection import FeatureInjection
from retouch.control.mutual_self_attention import MutualSelfAttention
from retouch.parts.attach import attached
from retouch.parts.edits import AttentionEdit, Group, Now
from retouch.parts.job import Job
from retouch.parts.rows import SOURCE, SOURCE_NULL, TARGET, TARGET_NULL, Step
from tests.tiny import KINDS, channels, tiny_backbone

pytestmark = pytest.mark.slow

T = 10
COARSEST = {"sdxl": 0, "if": 0}
"""Which decoder block is the coarsest that attends, where it is not the second."""
FOUR = [SOURCE, SOURCE_NULL, TARGET_NULL, TARGET]


class Recorder(AttentionEdit):
    """Keeps queries, keys and values by layer and row, as earlier edits left them."""

    def __init__(self):
        self.seen = {}

    def wants(self, layer):
        return layer.kind == "self"

    def change_qkv(self, layer, moment, query, key, value):
        self.seen[layer.name] = {row: (query[i], key[i], value[i]) for i, row in enumerate(moment.rows)}
        return query, key, value


class Block:
    """Keeps a block's output by row."""

    def __init__(self, name):
        self.name = name

    def change(self, output, moment):
        self.seen = dict(zip(moment.rows, output, strict=True))
        return output


@pytest.fixture(scope="module", params=KINDS)
def model(request, tmp_path_factory):
    return tiny_backbone(tmp_path_factory.mktemp(request.param), request.param)


def evaluated(model, control, number, rows=FOUR):
    recorder = Recorder()
    blocks = list(control.block_edits(model))
    watched = Block(blocks[0].name if blocks else "mid_block")
    latents = torch.randn(len(rows), channels(model), 8, 8, generator=torch.Generator().manual_seed(1))
    embeds = model.condition(["a cat", "", "", "a dog"][: len(rows)])
    with attached(model, [*control.edits(model), recorder], [*blocks, watched]) as now, torch.no_grad():
        now.step = Step(T - 1 - number, number, T, model.schedule(T), rows)
        model.predict_noise(latents, 500, embeds)
    return recorder.seen, watched.seen


def masked(mask):
    """The control with a foreground by hand, as an edit prepares it."""
    control = MutualSelfAttention(start_step=0)
    control.prepare(Job(None, torch.zeros(1, 4, *mask.shape[-2:]), "", "", None, None, foreground=mask))
    return control


def taken(seen, layer, row, source):
    """Which of queries, keys and values ``row`` has from ``source``."""
    return [torch.equal(mine, theirs) for mine, theirs in zip(seen[layer.name][row], seen[layer.name][source])]


def test_keys_and_values_come_from_the_source_in_the_finest_decoder_levels_only(model):
    seen, _ = evaluated(model, MutualSelfAttention(start_step=4), 4)
    finest = sorted({layer.level for layer in model.attention_layers(place="up", kind="self")})[:2]
    assert finest == ([1, 2] if model.name in ("sdxl", "if") else [0, 1])  # their first level attends nowhere
    for layer in model.attention_layers(kind="self"):
        shares = layer.place == "up" and layer.level in finest
        assert taken(seen, layer, TARGET, SOURCE) == [False, shares, shares]
        assert taken(seen, layer, TARGET_NULL, SOURCE_NULL) == [False, shares, shares]


def test_these_are_stable_diffusions_layers_from_ten_up(model):
    """The small networks have Stable Diffusion's 16 self-attention layers: 6 down, 1 in the middle, 9 up."""
    if model.name in ("sdxl", "if"):
        pytest.skip("SDXL and IF have other layers")
    layers = model.attention_layers(kind="self")
    assert len(layers) == 16
    (sharing,) = MutualSelfAttention().edits(model)
    assert [layer.order for layer in layers if sharing.wants(layer)] == [10, 11, 12, 13, 14, 15]
    (sharing,) = MutualSelfAttention(decoder_levels=1).edits(model)
    assert [layer.order for layer in layers if sharing.wants(layer)] == [13, 14, 15]


def test_nothing_is_shared_before_the_start(model):
    seen, _ = evaluated(model, MutualSelfAttention(start_step=4), 3)
    for layer in model.attention_layers(kind="self"):
        assert taken(seen, layer, TARGET, SOURCE) == [False] * 3


def test_a_source_at_guidance_one_serves_both_halves(model):
    rows = [SOURCE, TARGET_NULL, TARGET]
    seen, _ = evaluated(model, MutualSelfAttention(start_step=0), 0, rows)
    finest = model.attention_layers(place="up", kind="self")[-1]
    assert taken(seen, finest, TARGET, SOURCE) == taken(seen, finest, TARGET_NULL, SOURCE) == [False, True, True]


def test_masked_queries_see_only_their_own_kind_of_keys(model):
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    control = masked(mask)
    (sharing,) = control.edits(model)
    finest = model.attention_layers(place="up", kind="self")[-1]
    step = Step(T - 1, 0, T, model.schedule(T), FOUR)
    allowed = sharing.allowed(finest, step, 64, 64)
    inside = mask.flatten().bool()
    assert set(allowed) == {TARGET, TARGET_NULL}
    assert torch.equal(allowed[TARGET], inside[:, None] == inside[None, :])
    coarse = next(layer for layer in model.attention_layers(place="up", kind="self") if layer.level == 1)
    assert sharing.allowed(coarse, step, 16, 16)[TARGET].shape == (16, 16)


def test_masked_attention_is_attention_to_the_allowed_keys_alone(model):
    from retouch.parts.attach import EditedAttention

    layer = model.attention_layers(place="up", kind="self")[-1]
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    inside = mask.flatten().bool()
    (sharing,) = masked(mask).edits(model)
    now = Now()
    now.step = Step(T - 1, 0, T, model.schedule(T), [SOURCE, TARGET])
    query, key, value = torch.randn(3, 2, 2, 16, 4, generator=torch.Generator().manual_seed(0))

    class Attention:
        scale = 0.5

    group = [Group([sharing], (), now)]
    out = EditedAttention(layer, group)._attend(Attention, group, query, key, value)
    for side in (inside, ~inside):
        probs = (query[1][:, side] @ key[1][:, side].mT * 0.5).softmax(-1)
        torch.testing.assert_close(out[1][:, side], probs @ value[1][:, side])


def test_injection_starts_at_the_second_attention_of_the_first_attending_decoder_level(model):
    seen, _ = evaluated(model, FeatureInjection(feature_share=0.0), 0)
    first = f"up_blocks.{COARSEST.get(model.name, 1)}.attentions.0"  # one layer, or all of its blocks' in SDXL
    assert sum(layer.name.startswith(first) for layer in model.attention_layers(kind="self")) == 1 + (
        model.name == "sdxl"
    )
    for layer in model.attention_layers(kind="self"):
        injected = layer.place == "up" and not layer.name.startswith(first)
        for row in (TARGET, TARGET_NULL):
            assert taken(seen, layer, row, SOURCE) == [injected, injected, False]


def test_the_residual_features_are_the_second_blocks_of_that_level(model):
    _, block = evaluated(model, FeatureInjection(), 0)
    name = f"up_blocks.{COARSEST.get(model.name, 1)}.resnets.1"
    assert model.first_attending_decoder_block(1).name == name
    assert torch.equal(block[TARGET], block[SOURCE]) and torch.equal(block[TARGET_NULL], block[SOURCE])
    assert not torch.equal(block[SOURCE_NULL], block[SOURCE])
    assert [edit.name for edit in FeatureInjection().block_edits(model)] == [f"{name}.conv2"]
    assert [edit.name for edit in FeatureInjection(inject="block").block_edits(model)] == [name]


@pytest.mark.parametrize(("number", "attention", "features"), [(4, True, True), (5, False, True), (8, False, False)])
def test_injection_ends_after_its_share_of_the_steps(model, number, attention, features):
    seen, block = evaluated(model, FeatureInjection(attention_share=0.5, feature_share=0.8), number)
    finest = model.attention_layers(place="up", kind="self")[-1]
    assert taken(seen, finest, TARGET, SOURCE)[:2] == [attention] * 2
    assert torch.equal(block[TARGET], block[SOURCE]) == features
