"""Random vision models of a few thousand weights, saved as their real ones are: config, safetensors, processor, vocabulary."""

from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPTextConfig,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    SamConfig,
    SamHQConfig,
    SamHQModel,
    SamHQProcessor,
    SamImageProcessorPil,
    SamModel,
    SamProcessor,
    SwinConfig,
)

WORDS = ("car", "bus", "traffic", "cone", "road", "tree", "auto", "##mobile", "person")
SIDE = 64  # pixels the segmenters see


def save_detector(folder: Path, kind: str = "grounding-dino", max_text_len: int = 256) -> Path:
    """Grounding DINO or MM-Grounding-DINO; its tokenizer has BERT's ids where the model asks for them."""
    torch.manual_seed(1)
    sizes = dict(
        backbone_config=SwinConfig(
            image_size=SIDE,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=1100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        ),
        d_model=32,  # its group norms have 32 groups
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=8,
        max_text_len=max_text_len,
    )
    if kind == "grounding-dino":
        model = GroundingDinoForObjectDetection(GroundingDinoConfig(**sizes))
    else:
        model = MMGroundingDinoForObjectDetection(MMGroundingDinoConfig(**sizes))
    model.save_pretrained(folder)
    image_processor = GroundingDinoImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 80})
    GroundingDinoProcessor(image_processor, _bert_tokenizer()).save_pretrained(folder)
    return folder


def save_segmenter(folder: Path, kind: str = "sam") -> Path:
    """SAM, SAM-HQ or SAM 2."""
    torch.manual_seed(2)
    prompt = {"hidden_size": 16, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 16,
        "mlp_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
    }
    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 16,
        "mlp_dim": 16,
        "num_pos_feats": 8,
        "global_attn_indexes": [1],
        "window_size": 2,
    }
    if kind == "sam2":
        backbone = {
            "hidden_size": 8,
            "image_size": [SIDE, SIDE],
            "window_positional_embedding_background_size": [2, 2],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 1, 1],
            "window_size_per_stage": [8, 4, 4, 2],
            "global_attention_blocks": [3],
        }
        vision = {
            "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone},
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 16,
        }
        config = Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
        Sam2Model(config).save_pretrained(folder)
        Sam2Processor(Sam2ImageProcessor(size={"height": SIDE, "width": SIDE})).save_pretrained(folder)
        return folder
    parts = {"vision_config": vision, "prompt_encoder_config": prompt, "mask_decoder_config": decoder}
    if kind == "sam_hq":
        decoder["vit_dim"] = 16
        SamHQModel(SamHQConfig(**parts)).save_pretrained(folder)
    else:
        SamModel(SamConfig(**parts)).save_pretrained(folder)
    image_processor = SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE})
    (SamHQProcessor if kind == "sam_hq" else SamProcessor)(image_processor).save_pretrained(folder)
    return folder


def save_sam3(folder: Path) -> Path:
    """SAM 3 with a vocabulary of single letters."""
    torch.manual_seed(3)
    small = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": SIDE,
                "patch_size": 8,
                "window_size": 4,
                "global_attn_indexes": [1],
                "pretrain_image_size": 32,
            },
            "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            "model_type": "clip_text_model",
            **CLIPTextConfig(
                vocab_size=60,
                hidden_size=16,
                intermediate_size=16,
                projection_dim=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=32,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            ).to_dict(),
        },
        geometry_encoder_config=small,
        detr_encoder_config=small,
        detr_decoder_config={**small, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )
    Sam3Model(config).save_pretrained(folder)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = CLIPTokenizer(vocab={word: k for k, word in enumerate(vocabulary)}, merges=[])
    image_processor = Sam3ImageProcessor(
        size={"height": SIDE, "width": SIDE}, mask_size={"height": SIDE // 4, "width": SIDE // 4}
    )
    Sam3Processor(image_processor, tokenizer).save_pretrained(folder)
    return folder


def _bert_tokenizer() -> BertTokenizer:
    words = [f"[unused{k}]" for k in range(1100)]
    for at, word in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}.items():
        words[at] = word
    words[200 : 200 + len(WORDS)] = WORDS
    return BertTokenizer(vocab={word: k for k, word in enumerate(words)}, do_lower_case=True)
