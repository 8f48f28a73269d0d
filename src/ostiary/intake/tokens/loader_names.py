"""Names by which a tokenizer configuration chooses code, and which MLX-LM and Transformers ship themselves.

Held against the installed packages by tests/conformance/test_loader_names.py.
"""

from __future__ import annotations

from typing import Final

TOOL_PARSERS: Final = frozenset(
    "function_gemma gemma4 glm47 json_tools kimi_k2 kimi_k3 laguna longcat minicpm5 minimax_m2 mistral muse_spark"
    " pythonic qwen3_coder".split()
)
"""Modules of mlx_lm.tool_parsers."""

CHAT_TEMPLATE_TYPES: Final = frozenset({"deepseek_v32", "muse_spark"})
"""Modules of mlx_lm.chat_templates."""

TOKENIZER_CLASSES: Final = frozenset(
    (
        "AlbertTokenizer BartTokenizer BarthezTokenizer BartphoTokenizer BertGenerationTokenizer "
        "BertJapaneseTokenizer BertTokenizer BertTokenizerLegacy BertweetTokenizer BigBirdTokenizer "
        "BioGptTokenizer BlenderbotSmallTokenizer BlenderbotTokenizer ByT5Tokenizer CLIPTokenizer CTRLTokenizer "
        "CamembertTokenizer CanineTokenizer ClvpTokenizer CodeGenTokenizer CodeLlamaTokenizer CohereTokenizer "
        "ConvBertTokenizer CpmAntTokenizer CpmTokenizer DPRContextEncoderTokenizer DPRQuestionEncoderTokenizer "
        "DPRReaderTokenizer DebertaTokenizer DebertaV2Tokenizer DiaTokenizer DistilBertTokenizer "
        "ElectraTokenizer EsmTokenizer EsmcTokenizer FNetTokenizer FSMTTokenizer FastSpeech2ConformerTokenizer "
        "FlaubertTokenizer FunnelTokenizer GPT2Tokenizer GPTNeoXJapaneseTokenizer GPTNeoXTokenizer "
        "GPTSw3Tokenizer GemmaTokenizer HerbertTokenizer LEDTokenizer LasrTokenizer LayoutLMv2Tokenizer "
        "LayoutLMv3Tokenizer LayoutXLMTokenizer LlamaTokenizer LongformerTokenizer LukeTokenizer LxmertTokenizer "
        "M2M100Tokenizer MBart50Tokenizer MBartTokenizer MLukeTokenizer MPNetTokenizer MarianTokenizer "
        "MarkupLMTokenizer MgpstrTokenizer MistralCommonBackend MistralCommonTokenizer MobileBertTokenizer "
        "MvpTokenizer MyT5Tokenizer NewlineTokenizer NllbTokenizer NougatTokenizer OpenAIGPTTokenizer "
        "PLBartTokenizer ParakeetTokenizer PegasusTokenizer PerceiverTokenizer PhobertTokenizer "
        "Pop2PianoTokenizer PreTrainedTokenizer PreTrainedTokenizerBase ProphetNetTokenizer PythonBackend "
        "Qwen2Tokenizer Qwen3_5Tokenizer RagTokenizer ReformerTokenizer RemBertTokenizer RetriBertTokenizer "
        "RoCBertTokenizer RoFormerTokenizer RobertaTokenizer SeamlessM4TTokenizer SentencePieceBackend "
        "Siglip2Tokenizer SiglipTokenizer Speech2TextTokenizer SpeechT5Tokenizer SplinterTokenizer "
        "SqueezeBertTokenizer T5Tokenizer TapasTokenizer Tipsv2Tokenizer TokenizersBackend UdopTokenizer "
        "VideoPrismTokenizer VitsTokenizer Wav2Vec2CTCTokenizer Wav2Vec2PhonemeCTCTokenizer WhisperTokenizer "
        "XGLMTokenizer XLMRobertaTokenizer XLMTokenizer XLNetTokenizer"
    ).split()
)
"""Classes that are Transformers' own, of version 4 or 5; each also goes by its name with `Fast` behind it."""
