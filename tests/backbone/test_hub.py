"""Hub names: from the cache at once, configurations before weights, refusals in one sentence."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from retouch.backbone.load import helper_folder, load
from retouch.errors import BadModel
from tests.tiny import save_cascade, save_tiny

UNET = "unet/diffusion_pytorch_model.safetensors"
NAME = "somebody/model"


@pytest.fixture
def folder(tmp_path):
    return save_tiny(tmp_path / "m")


def files_of(folder):
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def hub(folder, monkeypatch, tmp_path):
    """A hub that has the folder, and an empty cache; what was asked of it, pattern by pattern."""
    asked = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: files_of(folder))

    def fetched(name, allow_patterns, local_files_only):
        if local_files_only:
            raise FileNotFoundError("nothing of it is in the cache")
        asked.extend(allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    return asked


@pytest.fixture
def cache(folder, tmp_path, monkeypatch):
    """The cache, with the folder in it; asking the hub fails the test."""
    place = tmp_path / "cache" / f"models--{NAME.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: pytest.fail("the hub was asked"))
    return place / "snapshots" / "abc"


def refusal(name=NAME, **how):
    with pytest.raises(BadModel) as caught:
        load(name, device="cpu", **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_only_what_is_read_is_fetched(folder, hub):
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"x")
    assert load(NAME, device="cpu").name == NAME
    assert UNET in hub and "vae/diffusion_pytorch_model.safetensors" in hub
    assert not any(pattern.endswith(".bin") for pattern in hub)


def test_half_precision_is_fetched_where_it_is_all_there_is(folder, hub):
    half = UNET.replace(".safetensors", ".fp16.safetensors")
    (folder / UNET).rename(folder / half)
    load(NAME, device="cpu")
    assert half in hub and UNET not in hub


@pytest.fixture
def xl(folder, hub):
    """The hub's model is SDXL."""
    shutil.rmtree(folder)
    return save_tiny(folder, "sdxl")


def test_all_parts_of_sdxl_are_fetched(xl, hub):
    model = load(NAME, device="cpu")
    assert model.family.name == "SDXL" and "text_encoder_2/model.safetensors" in hub and "tokenizer_2/*.txt" in hub


@pytest.mark.parametrize("lacking", ["text_encoder_2", "tokenizer_2"])
def test_an_interrupted_download_of_sdxl_is_gone_on_with(cache, monkeypatch, lacking):
    shutil.rmtree(cache)
    save_tiny(cache, "sdxl")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert load(NAME, device="cpu").name == NAME
    shutil.rmtree(cache / lacking)
    asked = []
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: asked.append(name) or [])
    assert NAME in refusal() and asked == [NAME]


def test_a_refiner_is_refused_by_its_name_before_anything_is_fetched(xl, hub):
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(xl / part)
    assert "is an SDXL refiner" in refusal() and not hub


def in_shards(folder):
    """Splits the network's weights in two, as large models are saved."""
    weights, name = load_file(folder / UNET), "diffusion_pytorch_model-{:05}-of-00002.safetensors"
    keys = sorted(weights)
    split = {name.format(i + 1): keys[i::2] for i in range(2)}
    for file, mine in split.items():
        save_file({key: weights[key] for key in mine}, folder / "unet" / file, {"format": "pt"})
    index = {"metadata": {"total_size": 0}, "weight_map": {key: file for file, mine in split.items() for key in mine}}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    (folder / UNET).unlink()
    return [f"unet/{file}" for file in split]


def test_shards_are_fetched_and_read_as_one(folder, hub):
    whole = load(folder, device="cpu").fingerprint
    shards = in_shards(folder)
    assert load(NAME, device="cpu").fingerprint == load(folder, device="cpu").fingerprint == whole
    assert set(shards) <= set(hub)


@pytest.mark.parametrize(
    ("file", "fields", "says"),
    [
        ("unet/config.json", {"in_channels": 9}, "inpainting"),
        ("unet/config.json", {"num_class_embeds": 9}, "a class or a noise level"),
        ("scheduler/scheduler_config.json", {"_class_name": "EDMEulerScheduler"}, "EDM"),
    ],
)
def test_other_kinds_are_refused_before_weights_are_fetched(folder, hub, file, fields, says):
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | fields))
    assert says in refusal() and not any(pattern.endswith(".safetensors") for pattern in hub)


@pytest.mark.parametrize(
    ("further", "says"),
    [
        ("text_encoder_2/model.safetensors", "SDXL folder: it lacks tokenizer_2"),
        ("transformer/config.json", "a transformer"),
    ],
)
def test_other_families_are_refused_before_anything_is_fetched(folder, hub, further, says):
    (folder / further).parent.mkdir()
    (folder / further).write_text("{}")
    assert says in refusal() and not hub


def test_a_repository_of_single_files_or_pickles_is_refused_before_anything_is_fetched(folder, hub):
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    assert "pickled weights only for its unet" in refusal()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "v1-5.ckpt").write_bytes(b"x")
    (folder / "v1-5.safetensors").write_bytes(b"x")
    assert "holds single files" in (said := refusal()) and "v1-5.safetensors" in said and not hub


def test_a_model_in_the_cache_loads_without_asking_the_hub(folder, cache):
    expected = load(folder, device="cpu").fingerprint
    assert load(NAME, device="cpu").fingerprint == load(NAME, device="cpu", offline=True).fingerprint == expected
    in_shards(cache)
    assert load(NAME, device="cpu").fingerprint == expected


@pytest.mark.parametrize("offline", [True, False])
def test_a_model_in_the_cache_loads_whether_or_not_the_hub_may_be_asked(cache, monkeypatch, offline):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    assert load(NAME, device="cpu").name == NAME


@pytest.mark.parametrize("lacking", [UNET, "tokenizer/*", "scheduler/scheduler_config.json", "vae/config.json"])
def test_an_interrupted_download_is_gone_on_with(cache, monkeypatch, lacking):
    for path in cache.glob(lacking):
        path.unlink()
    assert NAME in refusal(offline=True)  # what is missing, in one sentence
    asked = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: asked.append(name) or [])
    assert NAME in refusal() and asked == [NAME]


def test_one_of_two_shards_is_an_interrupted_download(cache, monkeypatch):
    (cache / in_shards(cache)[1]).unlink()
    asked = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: asked.append(name) or [])
    assert NAME in refusal() and asked == [NAME]


@pytest.mark.parametrize("how", [{"offline": True}, {}])  # the tests' own HF_HUB_OFFLINE=1
def test_a_model_that_was_never_fetched_is_refused_at_once_offline(monkeypatch, how):
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: pytest.fail("the hub was asked"))
    said = refusal("nobody/no-such-model", **how)
    assert "neither a local path nor was it fetched before" in said and "HF_HUB_OFFLINE" in said


@pytest.mark.parametrize("name", ["nobody/no such model", "no--body/..model", "a/b.c--d"])
def test_names_that_no_hub_takes_are_one_sentence(name):
    assert name in refusal(name)


def test_a_model_that_serves_beside_a_checkpoint_comes_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", lambda *_, **__: pytest.fail("the hub was asked"))
    place = tmp_path / "models--some--clip"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        (place / "snapshots" / "abc" / file).write_text("{}")
    assert helper_folder("some/clip", "clip") == place / "snapshots" / "abc"


def test_both_stages_of_a_cascade_come_from_the_hub_and_only_what_is_read(folder, hub, tmp_path):
    shutil.rmtree(folder)
    save_cascade(folder)
    (folder / "retouch.json").write_text('{"settings": {}, "super_resolution": {"num_inference_steps": 2}}')
    second = shutil.move(folder / "super_resolution", tmp_path / "second")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"nothing of use")
    assert load(NAME, device="cpu").native_side == 16
    assert load(NAME, device="cpu", super_resolution=second).native_side == 32
    assert {"tokenizer/spiece.model", UNET, "text_encoder/model.safetensors"} <= set(hub)
    assert not any("safety" in pattern for pattern in hub)


def test_a_second_stage_that_the_hub_does_not_have_is_named(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda name: (_ for _ in ()).throw(OSError("gone")))
    assert "super_resolution stage 'somebody/second'" in refusal(super_resolution="somebody/second")
    assert "offline" in refusal(super_resolution="somebody/second", offline=True)
