"""LoRAs, autoencoders, textual inversions, clip skip and long prompts, each against diffusers itself."""

import json
import re

import pytest
import torch
from diffusers import AutoencoderKL
from peft import LoraConfig
from PIL import Image
from safetensors.torch import load_file, save_file

from retouch.backbone.load import load
from retouch.editor import Editor
from retouch.errors import BadFit, BadModel, BadParameter
from tests.live import tiny_pipe
from tests.single_file import names_of
from tests.tiny import save_tiny, tiny_parts

PICTURE = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
MODELS = ("sd1", "sd2", "sdxl")
EXACT = {"rtol": 0, "atol": 1e-5}
ATTENTION = re.compile(
    r"attn[12]\.to_(q|k|v|out\.0)$|ff\.net\.(0\.proj|2)$|proj_(in|out)$|\.(q|k|v|out)_proj$|\.fc[12]$"
)
CONVOLUTIONS = re.compile(r"resnets\.\d\.(conv1|conv2|conv_shortcut)$|(down|up)samplers\.0\.conv$")


def halves(module, wanted, rank, seed):
    """Random (down, up) for a module's layers, by path."""
    torch.manual_seed(seed)
    made = {}
    for path, one in module.named_modules():
        if not wanted.search(path):
            continue
        weight = one.weight
        down = torch.randn(rank, *weight.shape[1:]) / weight[0].numel() ** 0.5
        up = torch.randn(weight.shape[0], rank, *[1] * (weight.ndim - 2)) / 4
        made[path] = down, up
    return made


def kohya(parts, path, *, wanted=ATTENTION, rank=2, alpha=1.0, seed=3):
    """A file as kohya's scripts write it, for all parts that hold weights but the autoencoder."""
    names = {"unet": "lora_unet_", "text_encoder": "lora_te1_" if "text_encoder_2" in parts else "lora_te_",
             "text_encoder_2": "lora_te2_"}  # fmt: skip
    tensors = {}
    for part, start in names.items():
        if part not in parts:
            continue
        for layer, (down, up) in halves(parts[part], wanted, rank, seed).items():
            bare = layer.removeprefix("text_model.")
            name = start + (layer if part == "unet" else f"text_model.{bare}").replace(".", "_")
            tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            if alpha is not None:
                tensors[f"{name}.alpha"] = torch.tensor(alpha)
    save_file(tensors, path)
    return path


def everything(pipe_or_model):
    """What text encoder and network say of one prompt, through diffusers' pipeline or through a model of ours."""
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        if hasattr(pipe_or_model, "condition"):
            condition = pipe_or_model.condition(["a red cat"])
            return condition.embeds, pipe_or_model.predict(latents, 400, condition)
        told = pipe_or_model.encode_prompt(
            "a red cat", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        added = None
        if len(told) == 4:
            added = {"text_embeds": told[2], "time_ids": torch.tensor([[16.0, 16, 0, 0, 16, 16]])}
        return told[0], pipe_or_model.unet(latents, 400, told[0], added_cond_kwargs=added).sample


def assert_same(model, pipe, plain):
    for ours, theirs, before in zip(everything(model), everything(pipe), everything(plain), strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)
        assert (ours - before).abs().max() > 1e-2


@pytest.fixture(scope="module", params=MODELS)
def made(request, tmp_path_factory):
    """A folder, its plain model, and the kind of model it is."""
    folder = save_tiny(tmp_path_factory.mktemp("model") / "m", request.param)
    return folder, load(folder, device="cpu"), request.param


def pipe_of(kind, tmp_path):
    return tiny_pipe(tmp_path / "pipe", model=kind)


@pytest.mark.parametrize("alpha", (1.0, None))
@pytest.mark.parametrize("weight", (1.0, 0.6))
def test_a_kohya_lora_does_what_it_does_in_diffusers(made, tmp_path, weight, alpha):
    folder, plain, kind = made
    pipe = pipe_of(kind, tmp_path)
    file = kohya(pipe.components, tmp_path / "style.safetensors", alpha=alpha)
    model = load(folder, device="cpu", lora=f"{file}:{weight}")
    pipe.load_lora_weights(file, adapter_name="style")
    pipe.set_adapters(["style"], [weight])
    assert_same(model, pipe, plain)
    assert model.fingerprint == plain.fingerprint and model.identity != plain.identity


def test_convolutions_are_changed_too(made, tmp_path):
    folder, plain, kind = made
    pipe = pipe_of(kind, tmp_path)
    file = kohya({"unet": pipe.unet}, tmp_path / "locon.safetensors", wanted=CONVOLUTIONS)
    pipe.load_lora_weights(file)
    ours, theirs = (everything(one)[1] for one in (load(folder, device="cpu", lora=file), pipe))
    torch.testing.assert_close(ours, theirs, **EXACT)
    assert (ours - everything(plain)[1]).abs().max() > 1e-2


def test_a_lora_that_diffusers_saved_with_its_alphas(made, tmp_path):
    folder, plain, kind = made
    pipe = pipe_of(kind, tmp_path)
    torch.manual_seed(4)
    how = LoraConfig(r=4, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    pipe.unet.add_adapter(how, "default")
    from peft.utils import get_peft_model_state_dict

    layers = get_peft_model_state_dict(pipe.unet)
    pipe.save_lora_weights(
        tmp_path, unet_lora_layers=layers, unet_lora_adapter_metadata=how.to_dict(), safe_serialization=True
    )
    file = tmp_path / "pytorch_lora_weights.safetensors"
    torch.testing.assert_close(everything(load(folder, device="cpu", lora=file))[1], everything(pipe)[1], **EXACT)
    assert (everything(plain)[1] - everything(pipe)[1]).abs().max() > 1e-2


def test_names_of_the_original_code(tmp_path):
    folder = save_tiny(tmp_path / "m", "sdxl")
    parts = tiny_parts(tmp_path / "parts", "sdxl")
    both = re.compile(
        rf"{ATTENTION.pattern}|{CONVOLUTIONS.pattern}|^conv_in$|^time_embedding\.linear_\d$|time_emb_proj$"
    )
    tensors = load_file(kohya({"unet": parts["unet"]}, tmp_path / "a.safetensors", wanted=both))
    paths = [path for path, _ in parts["unet"].named_modules() if both.search(path)]
    theirs = {value: key for key, value in original_names(parts["unet"]).items()}
    originals = {
        path: theirs[f"{path}.weight"].removeprefix("model.diffusion_model.").removesuffix(".weight")
        for path in paths if f"{path}.weight" in theirs
    }  # fmt: skip
    assert len(originals) == len(paths)
    renamed = {}
    for path, original in originals.items():
        for end in ("lora_down.weight", "lora_up.weight", "alpha"):
            old = f"lora_unet_{path.replace('.', '_')}.{end}"
            renamed[f"lora_unet_{original.replace('.', '_')}.{end}"] = tensors[old]
    save_file(renamed, tmp_path / "b.safetensors")
    one, other = (load(folder, device="cpu", lora=tmp_path / f"{name}.safetensors") for name in "ab")
    for key, value in one.unet.state_dict().items():
        assert torch.equal(value, other.unet.state_dict()[key]), key


def original_names(unet):
    """The original code's names of a network with as many levels as SDXL's, by its own: each tensor is marked."""
    numbered = {key: torch.tensor(float(i)) for i, key in enumerate(unet.state_dict())}
    fake = type("Fake", (), {"state_dict": lambda self: numbered})()
    none = type("None_", (), {"state_dict": lambda self: {}, "config": type("C", (), {"block_out_channels": (8, 8)})})()
    found = names_of({"unet": fake, "vae": none})
    names = list(unet.state_dict())
    return {key: names[int(value)] for key, value in found.items()}


def test_several_loras_add_up_and_are_named(made, tmp_path):
    folder, _, kind = made
    parts = tiny_parts(tmp_path / "parts", kind)
    one = kohya(parts, tmp_path / "one.safetensors", seed=1)
    other = kohya(parts, tmp_path / "other.safetensors", seed=2)
    model = load(folder, device="cpu", lora=[(one, 0.5), f"{other}:-1"])
    told = model.read_as.changed["lora"]
    assert [(each["name"], each["weight"]) for each in told] == [("one.safetensors", 0.5), ("other.safetensors", -1.0)]
    reversed_ = load(folder, device="cpu", lora={other: -1, one: 0.5})
    for ours, theirs in zip(everything(model), everything(reversed_), strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


def test_what_is_on_top_is_in_the_recipe_and_binds_fits(tmp_path):
    folder, parts = save_tiny(tmp_path / "m"), tiny_parts(tmp_path / "parts")
    file = kohya(parts, tmp_path / "style.safetensors")
    plain, styled = Editor.from_pretrained(folder), Editor.from_pretrained(folder, lora=file, clip_skip=1)
    fit = styled.fit(PICTURE, target="a cat", embedding_steps=1, network_steps=0)
    recipe = styled.edit(PICTURE, fit=fit, num_inference_steps=2).recipe
    assert recipe["read_as"]["lora"][0]["name"] == "style.safetensors" and recipe["read_as"]["clip_skip"] == 1
    file.rename(tmp_path / "moved.safetensors")
    moved = Editor.from_pretrained(folder, lora=tmp_path / "moved.safetensors", clip_skip=1)
    moved.edit(PICTURE, fit=fit, num_inference_steps=2)
    for other in (plain, Editor.from_pretrained(folder, lora=f"{tmp_path / 'moved.safetensors'}:0.5", clip_skip=1)):
        with pytest.raises(
            BadFit, match=r"the fit was made with the checkpoint and lora=style.safetensors:1 clip_skip=1"
        ):
            other.edit(PICTURE, fit=fit, num_inference_steps=2)
    other = Editor.from_pretrained(folder, lora=kohya(parts, file, seed=4), clip_skip=1)
    with pytest.raises(BadFit, match=r"style.safetensors:1 clip_skip=1 \(.*is read with lora=style.safetensors:1 .*\("):
        other.edit(PICTURE, fit=fit, num_inference_steps=2)


def test_what_changes_nothing_binds_nothing(tmp_path):
    folder, parts = save_tiny(tmp_path / "m"), tiny_parts(tmp_path / "parts")
    file = kohya(parts, tmp_path / "style.safetensors")
    save_file(
        {key: value * ("lora_up" not in key) for key, value in load_file(file).items()}, tmp_path / "fresh.safetensors"
    )
    plain = Editor.from_pretrained(folder)
    fit = plain.fit(PICTURE, target="a cat", embedding_steps=1, network_steps=0)
    for how in ({"lora": f"{file}:0"}, {"lora": tmp_path / "fresh.safetensors"}, {"vae": folder}):
        editor = Editor.from_pretrained(folder, **how)
        result = editor.edit(PICTURE, fit=fit, num_inference_steps=2)
        assert "read_as" not in result.recipe and editor.model.identity == plain.model.identity


def test_a_fit_s_own_lora_is_put_on_top(tmp_path):
    folder = save_tiny(tmp_path / "m")
    editor = Editor.from_pretrained(folder)
    fit = editor.fit(
        PICTURE, target="a cat", adapter_rank=2, embedding_steps=1, network_steps=3, network_learning_rate=0.05
    )
    fit.save_lora(tmp_path / "fit.safetensors")
    pipe = tiny_pipe(tmp_path / "pipe")
    pipe.load_lora_weights(tmp_path / "fit.safetensors")
    assert_same_network(load(folder, device="cpu", lora=tmp_path / "fit.safetensors"), pipe)


def assert_same_network(model, pipe):
    torch.testing.assert_close(everything(model)[1], everything(pipe)[1], **EXACT)


@pytest.mark.parametrize("vectors", (1, 3))
@pytest.mark.parametrize("layout", ("diffusers", "web ui"))
def test_a_textual_inversion_says_what_it_says_in_diffusers(made, tmp_path, vectors, layout):
    folder, _, kind = made
    pipe = pipe_of(kind, tmp_path)
    torch.manual_seed(5)
    widths = [encoder.config.hidden_size for encoder in encoders(pipe)]
    tensors = [torch.randn(vectors, width) for width in widths]
    if kind == "sdxl":
        contents = {"clip_l": tensors[0], "clip_g": tensors[1]}
    else:
        contents = (
            {"<cat>": tensors[0][0] if vectors == 1 else tensors[0]}
            if layout == "diffusers"
            else {"emb_params": tensors[0]}
        )
    save_file(contents, tmp_path / "mine.safetensors")
    word = None if layout == "diffusers" and kind != "sdxl" else "<cat>"
    model = load(
        folder, device="cpu", embedding=(tmp_path / "mine.safetensors", word) if word else tmp_path / "mine.safetensors"
    )
    for tensor, encoder, tokenizer in zip(tensors, encoders(pipe), tokenizers(pipe)):
        pipe.load_textual_inversion({"<cat>": tensor}, token="<cat>", text_encoder=encoder, tokenizer=tokenizer)
    prompt = "a <cat> on a mat"
    theirs = pipe.encode_prompt(prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    ours = model.condition([prompt])
    torch.testing.assert_close(ours.embeds, theirs[0], **EXACT)
    if kind == "sdxl":
        torch.testing.assert_close(ours.pooled, theirs[2], **EXACT)
    assert [word.text for word in model.tokens(prompt).words] == ["a", "cat", "on", "a", "mat"]
    assert model.read_as.changed["embedding"][0]["word"] == "<cat>"


def encoders(pipe):
    return [pipe.components[name] for name in ("text_encoder", "text_encoder_2") if name in pipe.components]


def tokenizers(pipe):
    return [pipe.components[name] for name in ("tokenizer", "tokenizer_2") if name in pipe.components]


def test_clip_skip_is_diffusers_own(made, tmp_path):
    folder, plain, kind = made
    pipe = pipe_of(kind, tmp_path)
    if not hasattr(pipe.text_encoder, "text_model"):  # diffusers' code is of before transformers took it away
        object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    theirs = pipe.encode_prompt(
        "a red cat", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False, clip_skip=1
    )[0]
    model = load(folder, device="cpu", clip_skip=1)
    torch.testing.assert_close(model.condition(["a red cat"]).embeds, theirs, **EXACT)
    assert (plain.condition(["a red cat"]).embeds - theirs).abs().max() > 1e-2
    with pytest.raises(BadParameter, match=r"clip_skip is 2, expected a whole number in 0\.\.1"):
        load(folder, device="cpu", clip_skip=2)


def test_another_autoencoder_is_diffusers_own(made, tmp_path):
    folder, plain, _ = made
    torch.manual_seed(9)
    other = AutoencoderKL.from_config(plain.vae.config).eval()
    other.save_pretrained(tmp_path / "vae")
    weights = names_of({"unet": empty(), "vae": other})
    save_file(
        {key.removeprefix("first_stage_model."): value for key, value in weights.items()}, tmp_path / "a.safetensors"
    )
    save_file(weights, tmp_path / "b.safetensors")
    save_file({k: v.half() for k, v in other.state_dict().items()}, tmp_path / "half.safetensors")
    images = torch.linspace(-1, 1, 3 * 16 * 16).view(1, 3, 16, 16)
    with torch.no_grad():
        latents = other.encode(images).latent_dist.mode() * other.config.scaling_factor
        decoded = other.decode(latents / other.config.scaling_factor).sample.clamp(-1, 1)
        for given in ("vae", "a.safetensors", "b.safetensors"):
            model = load(folder, device="cpu", vae=tmp_path / given)
            torch.testing.assert_close(model.encode(images), latents, **EXACT)
            torch.testing.assert_close(model.decode(latents), decoded, **EXACT)
            assert model.fingerprint == plain.fingerprint and model.read_as.changed["vae"][0]["name"] == given
        half = load(folder, device="cpu", vae=tmp_path / "half.safetensors")
        torch.testing.assert_close(half.encode(images), latents, rtol=0, atol=1e-2)


def empty():
    return type("Empty", (), {"state_dict": lambda self: {}})()


def test_putting_an_autoencoder_on_top_says_nothing(tmp_path, capfd):
    folder = save_tiny(tmp_path / "m")
    capfd.readouterr()
    load(folder, device="cpu", vae=folder)
    assert capfd.readouterr() == ("", "")


def test_an_inversion_longer_than_a_prompt_is_read_with_long_prompts(tmp_path):
    save_file({"emb_params": torch.randn(200, 16)}, tmp_path / "many.safetensors")
    model = load(
        save_tiny(tmp_path / "m"), device="cpu", embedding=f"{tmp_path / 'many.safetensors'}:<b>", long_prompts=True
    )
    with model.working():
        model.make_room(["a <b>"])
        assert model.chunks == 3 and len(model.tokens("a <b>").words[1].tokens) == 200


LONG = "a red cat on a mat, " * 12 + "a blue dog"


def test_long_prompts_are_read_in_chunks(made):
    folder, plain, kind = made
    model = load(folder, device="cpu", long_prompts=True)
    room = model.max_tokens - 2
    assert plain.truncated(LONG) and plain.condition([LONG]).embeds.shape[1] == plain.max_tokens
    with model.working():
        model.make_room([LONG, "a cat"])
        ids = model.tokenizer(LONG).input_ids[1:-1]
        assert model.chunks == -(-len(ids) // room) > 1 and not model.truncated(LONG)
        condition, short = model.condition([LONG, "a cat"]).split()
        tokens = model.tokens(LONG)
        assert len(tokens.ids) == condition.embeds.shape[1] == short.embeds.shape[1] == model.chunks * model.max_tokens
        for number in range(model.chunks):
            part = ids[number * room : (number + 1) * room]
            chunk = [model.tokenizer.bos_token_id, *part, model.tokenizer.eos_token_id]
            chunk += [model.tokenizer.pad_token_id] * (model.max_tokens - len(chunk))
            place = slice(number * model.max_tokens, (number + 1) * model.max_tokens)
            assert list(tokens.ids[place]) == chunk
            said = model.text_encoder(torch.tensor([chunk]), output_hidden_states=True)
            width = model.text_encoder.config.hidden_size
            expected = said.hidden_states[-2] if kind == "sdxl" else said.last_hidden_state
            torch.testing.assert_close(condition.embeds[:, place, :width], expected, **EXACT)
        for word in tokens.words:
            letters = "".join(model.tokenizer.convert_ids_to_tokens(tokens.ids[i]) for i in word.tokens)
            assert letters.replace("</w>", "") == word.text
        assert not tokens.cut and tokens.ids[tokens.end] == model.tokenizer.eos_token_id
    assert model.chunks == 1
    torch.testing.assert_close(model.condition(["a cat"]).embeds, plain.condition(["a cat"]).embeds, rtol=0, atol=0)


@pytest.mark.parametrize("name", ("prompt-to-prompt", "null-text", "plug-and-play", "ledits-pp", "imagic"))
def test_long_prompts_edit(made, name):
    folder, _, _ = made
    editor = Editor.from_pretrained(folder, device="cpu", long_prompts=True)
    how = {"imagic": {"embedding_steps": 1, "network_steps": 1}, "null-text": {"inner_steps": 1}}.get(name, {})
    target = LONG.replace("blue dog", "blue fox")
    result = editor.edit(
        PICTURE, source=LONG, target=target, method=name, num_inference_steps=2, negative_prompt="a toad", **how
    )
    assert not any("cut off" in note for note in result.notes) and result.recipe["read_as"]["long_prompts"] is True
    assert editor.model.chunks == 1
    if name == "imagic":
        fit = editor.fit(PICTURE, target=target, **how)
        kept = editor.edit(PICTURE, fit=fit, num_inference_steps=2, negative_prompt=LONG * 3)
        assert kept.image.size == (16, 16)


def test_a_long_prompt_without_the_option_is_cut_off_with_a_note(made):
    folder, _, _ = made
    result = Editor(load(folder, device="cpu")).edit(
        PICTURE, source="a cat", target=LONG, method="ddim", num_inference_steps=2
    )
    assert any("cut off" in note and "long-prompts" in note for note in result.notes)


def test_in_bfloat16_the_fingerprints_stay(tmp_path):
    folder = save_tiny(tmp_path / "m")
    file = kohya(tiny_parts(tmp_path / "parts"), tmp_path / "style.safetensors")
    one, other = (load(folder, device="cpu", dtype=kind, lora=file) for kind in ("float32", "bfloat16"))
    assert one.identity == other.identity and other.dtype == torch.bfloat16


def bad_files(folder):
    """Files of the wrong kind, by what is said of them."""
    folder.mkdir()
    parts, xl = tiny_parts(folder / "parts"), tiny_parts(folder / "xl", "sdxl")
    good = kohya(parts, folder / "good.safetensors")
    names = load_file(good)
    down = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    up = down.replace("down.weight", "up.weight")

    def saved(name, tensors):
        save_file(tensors, folder / f"{name}.safetensors")
        return folder / f"{name}.safetensors"

    (folder / "cut.safetensors").write_bytes(good.read_bytes()[:-100])
    (folder / "odd.safetensors").write_bytes(b"what is this")
    torch.save(names, folder / "style.pt")
    return {
        "there is no file": folder / "nowhere.safetensors",
        "pickled": folder / "style.pt",
        "could not be read: it is damaged, cut off": folder / "cut.safetensors",
        "no safetensors file": folder / "odd.safetensors",
        "for SDXL, not for Stable Diffusion 1.x or 2.x": kohya(
            {"unet": parts["unet"], "text_encoder_2": xl["text_encoder_2"]}, folder / "te2.safetensors"
        ),
        "is for SDXL, .*width 2048": saved("wide", {down: torch.zeros(2, 2048), up: torch.zeros(8, 2)}),
        "is for Stable Diffusion 1.x, .*width 768": saved("narrow", {down: torch.zeros(2, 768), up: torch.zeros(8, 2)}),
        "is for a transformer": saved("flux", {"transformer.single.attn.to_q.lora_A.weight": torch.zeros(2, 8)}),
        "is a LoHa": saved("loha", {"lora_unet_x.hada_w1_a": torch.zeros(2, 8)}),
        "is a DoRA": saved("dora", {**names, "lora_unet_x.dora_scale": torch.zeros(8)}),
        "holds no LoRA": saved("nothing", {"weight": torch.zeros(2, 8)}),
        "lacks a half": saved("half", {key: value for key, value in names.items() if key != up}),
        "for another model: its": saved("shape", {**names, up: torch.zeros(9, 2)}),
        "does not have": saved("layer", {**names, "lora_unet_nowhere.lora_down.weight": torch.zeros(2, 8)}),
        "holds 'lora_unet_odd', which is no part": saved("key", {**names, "lora_unet_odd": torch.zeros(2)}),
    }  # fmt: skip


def test_a_lora_that_holds_no_numbers_is_refused_before_the_work(tmp_path):
    parts = tiny_parts(tmp_path / "parts", "sd1")
    path = kohya(parts, tmp_path / "broken.safetensors")
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("lora_up.weight"))
    save_file({**tensors, name: torch.full_like(tensors[name], float("nan"))}, path)
    with pytest.raises(BadModel, match=r"the LoRA .*broken.* holds values that are no numbers"):
        load(save_tiny(tmp_path / "model", "sd1"), lora=str(path), device="cpu")


def test_files_that_are_no_lora_for_the_model_are_refused_in_a_sentence(tmp_path):
    folder = save_tiny(tmp_path / "m")
    for said, file in bad_files(tmp_path / "files").items():
        with pytest.raises(BadModel, match=said) as refused:
            load(folder, device="cpu", lora=file)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    (
        ({"lora": "{}/good.safetensors:much"}, BadParameter, "the weight 'much', expected a number"),
        ({"lora": "{}/good.safetensors:1_0"}, BadParameter, "the weight '1_0', expected a number"),
        ({"lora": "{}"}, BadModel, "is a folder: give the path of a .safetensors file .* in it, here cat.safetensors"),
        ({"vae": "{}/wide"}, BadModel, "the autoencoder .*/wide' .*its latent_channels is 16, in .* 4"),
        (
            {"vae": "{}/wide/diffusion_pytorch_model.safetensors"},
            BadModel,
            "the autoencoder .* is .*, and that of .*/m",
        ),
        ({"vae": "{}/unet"}, BadModel, "the autoencoder .*/unet' is a UNet2DConditionModel, expected an AutoencoderKL"),
        ({"vae": "{}/odd"}, BadModel, "config.json of .*/odd' says act_fn 'foo'"),
        ({"embedding": "{}/cat.safetensors:<my cat>"}, BadParameter, "called '<my cat>', expected one word"),
        ({"embedding": "{}/my cat.safetensors"}, BadParameter, "called 'my cat', expected one word"),
        ({"embedding": "{}/many.safetensors:<b>"}, BadModel, "has 76 vectors, and a prompt of .* has room for 75"),
        ({"lora": 3}, BadParameter, "lora is 3, expected the path of a file"),
        ({"clip_skip": -1}, BadParameter, "clip_skip is -1"),
        ({"clip_skip": 1.5}, BadParameter, "clip_skip is 1.5"),
        ({"long_prompts": "many"}, BadParameter, "long_prompts is 'many'"),
        ({"vae": "{}/nowhere"}, BadModel, "no autoencoder"),
        ({"vae": "{}/good.safetensors"}, BadModel, "holds no autoencoder"),
        ({"vae": "{}/cut.safetensors"}, BadModel, "could not be read: it is damaged, cut off"),
        ({"vae": "{}"}, BadModel, "lacks its config.json"),
        ({"vae": "{}/sd"}, BadModel, "another family.*its scaling_factor is 0.13025, in .* 0.18215"),
        ({"vae": "{}/deep"}, BadModel, "it makes pictures smaller by 4, in .* 2"),
        ({"embedding": "{}/good.safetensors"}, BadModel, "holds no textual inversion"),
        ({"embedding": "{}/wide.safetensors"}, BadModel, "is for Stable Diffusion 2.x: its vectors are 1024 wide"),
        ({"embedding": "{}/xl.safetensors"}, BadModel, "is for SDXL, not for Stable Diffusion 1.x"),
        ({"embedding": "{}/cat.safetensors:a"}, BadParameter, "knows already"),
        ({"embedding": "{}/cat.safetensors: "}, BadParameter, "expected one word"),
        ({"embedding": "{}/cut.safetensors"}, BadModel, "could not be read: it is damaged, cut off"),
        ({"embedding": "{}/cat.pt"}, BadModel, "pickled"),
        ({"embedding": "{}/cat.pt:<cat>"}, BadModel, "pickled"),
        ({"lora": "{}/cat.pt:0.5"}, BadModel, "pickled"),
    ),
)
def test_bad_arguments_are_refused_in_a_sentence(tmp_path, given, error, said):
    folder, files = save_tiny(tmp_path / "m"), tmp_path / "files"
    files.mkdir()
    parts = tiny_parts(tmp_path / "parts")
    good = kohya(parts, files / "good.safetensors")
    (files / "cut.safetensors").write_bytes(good.read_bytes()[:-100])
    save_file({"<wide>": torch.zeros(1024)}, files / "wide.safetensors")
    save_file({"clip_l": torch.zeros(768), "clip_g": torch.zeros(1280)}, files / "xl.safetensors")
    save_file({"emb_params": torch.zeros(1, 16)}, files / "cat.safetensors")
    torch.save({}, files / "cat.pt")
    save_file({"emb_params": torch.zeros(1, 16)}, files / "my cat.safetensors")
    save_file({"emb_params": torch.zeros(76, 16)}, files / "many.safetensors")
    parts["unet"].save_pretrained(files / "unet")
    AutoencoderKL.from_config(parts["vae"].config, latent_channels=16).save_pretrained(files / "wide")
    AutoencoderKL.from_config(parts["vae"].config).save_pretrained(files / "odd")
    config = (files / "odd" / "config.json").read_text()
    (files / "odd" / "config.json").write_text(config.replace('"silu"', '"foo"'))
    parts["vae"].register_to_config(scaling_factor=0.13025)
    parts["vae"].save_pretrained(files / "sd")
    deep = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8), latent_channels=4, norm_num_groups=4,
    )  # fmt: skip
    deep.save_pretrained(files / "deep")
    given = {key: value.format(files) if isinstance(value, str) else value for key, value in given.items()}
    with pytest.raises(error, match=said) as refused:
        load(folder, device="cpu", **given)
    assert "\n" not in str(refused.value)


def test_peft_s_own_folder_has_its_alpha_beside_the_file(tmp_path):
    folder, parts = save_tiny(tmp_path / "m"), tiny_parts(tmp_path / "parts")
    (down, up) = halves(parts["unet"], re.compile(r"down_blocks\.0\.attentions\.0.*attn1\.to_q$"), 2, 1).popitem()[1]
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {f"base_model.model.{path}.lora_A.weight": down, f"base_model.model.{path}.lora_B.weight": up},
        tmp_path / "adapter_model.safetensors",
    )
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 6, "use_rslora": True}))
    changed = load(folder, device="cpu", lora=tmp_path / "adapter_model.safetensors").unet.get_submodule(path).weight
    own = load(folder, device="cpu").unet.get_submodule(path).weight
    torch.testing.assert_close(changed - own, 6 / 2**0.5 * up @ down, **EXACT)
