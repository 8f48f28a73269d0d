"""What a model's configuration must not ask for."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_CARRIES_CODE,
    INTAKE_INCOMPLETE,
    INTAKE_INCONSISTENT,
    INTAKE_MALFORMED,
    INTAKE_OUT_OF_RANGE,
    INTAKE_UNKNOWN_ARCHITECTURE,
)

CONFIG_MODEL_TYPE_MISSING: Final = Rule(
    "config.model-type-missing",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Configuration without a model type",
    "Nothing says which network the weights belong to, so a loader would have to guess.",
)
CONFIG_MODEL_TYPE_NOT_A_NAME: Final = Rule(
    "config.model-type-not-a-name",
    Severity.HIGH,
    INTAKE_UNKNOWN_ARCHITECTURE,
    "Model type that is not a plain name",
    "The model type becomes part of an import, so it could reach for a module that is no architecture.",
)
CONFIG_UNKNOWN_ARCHITECTURE: Final = Rule(
    "config.unknown-architecture",
    Severity.MEDIUM,
    INTAKE_UNKNOWN_ARCHITECTURE,
    "Model type that is not known",
    "The model type chooses the module that is imported; an unknown one could load code that nobody looked at.",
)
CONFIG_ARCHITECTURES_NOT_NAMES: Final = Rule(
    "config.architectures-not-names",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "List of architectures that does not hold names",
    "It takes part in choosing the module that is imported.",
)
CONFIG_WRONG_TYPE: Final = Rule(
    "config.wrong-type",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Setting of the wrong JSON type",
    "A text or a boolean where a number belongs can pass one program's check and mean something else to the next.",
)
CONFIG_OUT_OF_RANGE: Final = Rule(
    "config.out-of-range",
    Severity.HIGH,
    INTAKE_OUT_OF_RANGE,
    "Setting outside its sane range",
    "It could build layers without end, take all memory, or divide by zero in native code and end the process.",
)
CONFIG_HEADS_DO_NOT_DIVIDE: Final = Rule(
    "config.heads-do-not-divide",
    Severity.MEDIUM,
    INTAKE_OUT_OF_RANGE,
    "Attention heads that cannot be shared out",
    "Each key head serves an equal number of query heads; with a remainder, heads would read what is not theirs.",
)
CONFIG_QUANTIZATION_UNSUPPORTED: Final = Rule(
    "config.quantization-unsupported",
    Severity.HIGH,
    INTAKE_OUT_OF_RANGE,
    "Quantization that MLX does not have",
    "A group size of zero ends the process; other values make packed weights mean something else.",
)
CONFIG_QUANTIZATION_DISAGREES: Final = Rule(
    "config.quantization-disagrees",
    Severity.LOW,
    None,
    "Two different quantizations in one configuration",
    "Programs that read the other one unpack other weights than those that were judged.",
)
CONFIG_QUANTIZATION_FOREIGN: Final = Rule(
    "config.quantization-foreign",
    Severity.INFO,
    None,
    "Weights packed by another program",
    "MLX-LM repacks them while loading, so their shapes could not be held against the architecture.",
)
CONFIG_UNUSUAL: Final = Rule(
    "config.unusual",
    Severity.LOW,
    None,
    "Setting that no published model has",
    "The model could give nothing but NaN, or promise a context that no machine can hold.",
)
CONFIG_INCOMPLETE: Final = Rule(
    "config.incomplete",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Configuration without a setting that the architecture needs",
    "A loader would fail half way, or fill in a default that does not fit the weights.",
)
CONFIG_LAYERS_DISAGREE: Final = Rule(
    "config.layers-disagree",
    Severity.LOW,
    None,
    "List of layers that is not as long as the number of layers",
    "Programs that read the other one build a network of another depth.",
)

REFERENCE_MODEL_FILE: Final = Rule(
    "reference.model-file",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Configuration that names its own Python file",
    "MLX-LM ran the file it names while loading (CVE-2026-5843), and still does where remote code is trusted.",
)
REFERENCE_AUTO_MAP: Final = Rule(
    "reference.auto-map",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "Classes of the model's own",
    "Transformers imports the classes it names, from the model or from another repository, once code is trusted.",
)
REFERENCE_REMOTE: Final = Rule(
    "reference.remote",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Class in another repository",
    "The code would be fetched when the model is loaded, from a place that no signature over this model covers.",
)
REFERENCE_TRUST_ASKED: Final = Rule(
    "reference.trust-asked",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "Configuration that asks to be trusted with code",
    "A program that takes it over as an option runs whatever code comes with the model.",
)
REFERENCE_CUSTOM_PIPELINE: Final = Rule(
    "reference.custom-pipeline",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "Pipeline of the model's own",
    "Transformers imports the class it names from the model's directory once code is trusted.",
)
REFERENCE_KERNEL: Final = Rule(
    "reference.kernel",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Attention kernel from a repository",
    "Transformers fetches a compiled kernel by that name and loads it into the process.",
)
REFERENCE_OBJECT: Final = Rule(
    "reference.object",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Instruction to build a Python object",
    "Readers that honour it (Hydra's _target_, jsonpickle's py/object) call any function by name, also os.system.",
)
REFERENCE_PARENT_LIBRARY: Final = Rule(
    "reference.parent-library",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "Module to import outside Transformers",
    "PEFT imports the module that this names.",
)

GENERATION_UNUSUAL: Final = Rule(
    "generation.unusual",
    Severity.LOW,
    None,
    "Generation setting that cannot be meant",
    "The model could repeat itself or stop at once; programs that use the setting may fail.",
)
GENERATION_WRONG_TYPE: Final = Rule(
    "generation.wrong-type",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Generation setting of the wrong JSON type",
    "It changes how every answer is made, and programs disagree on what a value of the wrong type means.",
)
GENERATION_OUT_OF_RANGE: Final = Rule(
    "generation.out-of-range",
    Severity.MEDIUM,
    INTAKE_OUT_OF_RANGE,
    "Generation setting outside its sane range",
    "It could hold a machine with answers that never end, or send token ids past the vocabulary.",
)

LAYOUT_MISSING_TENSOR: Final = Rule(
    "layout.missing-tensor",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Tensor that the architecture needs is not there",
    "A lenient loader would run with random numbers in its place.",
)
LAYOUT_UNEXPECTED_TENSOR: Final = Rule(
    "layout.unexpected-tensor",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Tensor that the architecture does not have",
    "The weights belong to another network, or carry something beside the model.",
)
LAYOUT_WRONG_SHAPE: Final = Rule(
    "layout.wrong-shape",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Tensor of the wrong shape",
    "Lookups past the end of a smaller tensor read other memory of the process.",
)
LAYOUT_WRONG_DTYPE: Final = Rule(
    "layout.wrong-dtype",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Tensor of the wrong dtype",
    "The loader compares shapes only; the numbers would be read as something else than they are.",
)
LAYOUT_BAD_QUANTIZATION: Final = Rule(
    "layout.bad-quantization",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Packed weights that do not fit their scales",
    "Unpacking them could read outside the tensor or divide by zero in native code.",
)
LAYOUT_LAYER_BEYOND_LAST: Final = Rule(
    "layout.layer-beyond-last",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Tensor of a layer beyond the last",
    "The weights belong to another network than the configuration describes.",
)
LAYOUT_NOT_CHECKED: Final = Rule(
    "layout.not-checked",
    Severity.INFO,
    None,
    "Tensors not held against the architecture",
    "A missing or misshapen tensor of this architecture is found by the loader only.",
)

RULES: Final = (
    CONFIG_MODEL_TYPE_MISSING,
    CONFIG_MODEL_TYPE_NOT_A_NAME,
    CONFIG_UNKNOWN_ARCHITECTURE,
    CONFIG_ARCHITECTURES_NOT_NAMES,
    CONFIG_WRONG_TYPE,
    CONFIG_OUT_OF_RANGE,
    CONFIG_HEADS_DO_NOT_DIVIDE,
    CONFIG_QUANTIZATION_UNSUPPORTED,
    CONFIG_QUANTIZATION_DISAGREES,
    CONFIG_QUANTIZATION_FOREIGN,
    CONFIG_UNUSUAL,
    CONFIG_INCOMPLETE,
    CONFIG_LAYERS_DISAGREE,
    REFERENCE_MODEL_FILE,
    REFERENCE_AUTO_MAP,
    REFERENCE_REMOTE,
    REFERENCE_TRUST_ASKED,
    REFERENCE_CUSTOM_PIPELINE,
    REFERENCE_KERNEL,
    REFERENCE_OBJECT,
    REFERENCE_PARENT_LIBRARY,
    GENERATION_UNUSUAL,
    GENERATION_WRONG_TYPE,
    GENERATION_OUT_OF_RANGE,
    LAYOUT_MISSING_TENSOR,
    LAYOUT_UNEXPECTED_TENSOR,
    LAYOUT_WRONG_SHAPE,
    LAYOUT_WRONG_DTYPE,
    LAYOUT_BAD_QUANTIZATION,
    LAYOUT_LAYER_BEYOND_LAST,
    LAYOUT_NOT_CHECKED,
)
