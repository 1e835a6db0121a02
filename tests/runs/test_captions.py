"""Captions by a tiny random image-to-text model in BLIP's format."""

import pytest
import torch
from PIL import Image

from retouch.errors import BadModel
from retouch.runs.captions import Captioner


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

    folder = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "red", "blue", "cat", "dog", "sits"]
    (folder / "vocab.txt").write_text("\n".join(words))
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = {**small, "vocab_size": len(words), "bos_token_id": 5, "sep_token_id": 3, "eos_token_id": 3,
            "pad_token_id": 0, "encoder_hidden_size": 16, "projection_dim": 8}  # fmt: skip
    torch.manual_seed(0)
    config = BlipConfig(text_config=text, vision_config={**small, "image_size": 32, "patch_size": 8}, projection_dim=8)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_a_picture_gets_the_same_words_every_time(blip):
    picture = Image.new("RGB", (50, 40), "teal")
    words = Captioner(str(blip))(picture)
    assert words and words == Captioner(str(blip))(picture.convert("RGBA"))
    assert set(words.split()) <= {"a", "red", "blue", "cat", "dog", "sits"} | {"[UNK]", "[MASK]", "[DEC]"}


def test_a_captioner_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(BadModel, match=r"captioner .* could not be loaded"):
        Captioner(str(tmp_path))(Image.new("RGB", (8, 8)))
