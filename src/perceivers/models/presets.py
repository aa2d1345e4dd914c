"""Published model configurations by name, each with its citation. Imports no torch."""

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

from ..modalities import (
    AudioConfig,
    ConvImageConfig,
    FlowOutputConfig,
    FramePairConfig,
    FramesOutputConfig,
    FusionConfig,
    FusionOutputConfig,
    ImageConfig,
    InputConfig,
    LabelConfig,
    LabelOutputConfig,
    OutputConfig,
    PointsConfig,
    TextConfig,
    TextOutputConfig,
    VideoConfig,
    WaveOutputConfig,
)
from .config import (
    DecoderConfig,
    EncoderConfig,
    KerasExampleConfig,
    ModelConfig,
    PerceiverIOClassifierConfig,
    PerceiverIOConfig,
)


def perceiver_imagenet() -> ModelConfig:
    """Perceiver for ImageNet, weights shared as in the paper: 44.91M parameters, 707 GFLOPs.

    arXiv 2103.03206v2, §4.1 and Table 7 ("shared"): 224² pixels; of 8 cross-attends the first has
    weights of its own and the other seven share theirs; all 8 latent transformers share theirs.
    Top-1 78.0 in the paper.
    """
    return ModelConfig()


def perceiver_imagenet_1x() -> ModelConfig:
    """Perceiver for ImageNet that reads its input once: 42.1M parameters, 404 GFLOPs.

    arXiv 2103.03206v2, Table 6 (one cross-attend at the start; top-1 76.7 in the paper).
    """
    return replace(perceiver_imagenet(), cross_order=(0, *(None,) * 7))


def perceiver_imagenet_unshared() -> ModelConfig:
    """Perceiver for ImageNet without weight sharing: 326.2M parameters, which overfit.

    arXiv 2103.03206v2, Table 7 (top-1 72.9 in validation, 87.7 in training in the paper).
    """
    return replace(perceiver_imagenet(), cross_order=tuple(range(8)), block_order=tuple(range(8)))


def perceiver_modelnet40() -> ModelConfig:
    """Perceiver for ModelNet40: 3-D points, two cross-attends, one shared block; 44.79M parameters.

    arXiv 2103.03206v2, §4.3 and Table 4 (top-1 85.7 in the paper, chosen by test score): 2
    cross-attends, each followed by 6 self-attends, otherwise as for ImageNet. So the two
    cross-attends have weights of their own, and both latent transformers share theirs. 64 bands up
    to a frequency of 1120; for what this frequency means here see `PointAdapter`. The paper has
    about 2,000 points per object; the 2,048 here are the number that `perceivers cost
    perceiver-modelnet40` counts with, and the model takes any number.
    """
    return ModelConfig(num_classes=40, input=PointsConfig(), cross_order=(0, 1), block_order=(0, 0))


def perceiver_audioset_audio() -> ModelConfig:
    """Perceiver for AudioSet on raw audio: 1.28 s at 48 kHz, nothing shared; 107.42M parameters.

    arXiv 2103.03206v2, §4.2 and Table 3 (mAP 38.3 in the paper): 61,440 samples in 480 patches of
    128, 2 cross-attends, each followed by 8 self-attends, no sharing; 527 classes that do not
    exclude each other, trained with sigmoid cross-entropy. We do not know the number of Fourier
    bands; here it is 64 as for ImageNet, up to the Nyquist frequency of the patches, and the number
    of parameters (`perceivers cost perceiver-audioset-audio`) depends on it.
    """
    return _audioset(AudioConfig())


def perceiver_audioset_video() -> ModelConfig:
    """Perceiver for AudioSet on video: 32 frames of 224², nothing shared; 111.64M parameters.

    arXiv 2103.03206v2, §4.2 and Table 3 (mAP 25.8 in the paper): 12,544 patches of 2×8×8 pixels
    with 3-D positions. The rest, and what is not known, is as for `perceiver_audioset_audio`.
    Parameters as counted by `perceivers cost perceiver-audioset-video`.
    """
    return _audioset(VideoConfig(seconds=1.28))


def perceiver_audioset_av() -> ModelConfig:
    """Perceiver for AudioSet on raw audio and video together, nothing shared; 111.69M parameters.

    arXiv 2103.03206v2, §4.2 and Table 3 (mAP 43.5 in the paper): one array of the inputs of the
    two models above. A learned embedding marks the modality: 4 channels for video, and for audio as
    many as make both equally wide. The paper drops the whole video with probability 0.3 in
    training. What is not known is as for `perceiver_audioset_audio`. Parameters as counted by
    `perceivers cost perceiver-audioset-av`.
    """
    parts: dict[str, InputConfig] = {"audio": AudioConfig(), "video": VideoConfig(seconds=1.28)}
    return _audioset(FusionConfig(parts=parts, dropout={"video": 0.3}))


def _audioset(inputs: InputConfig) -> ModelConfig:
    """Return the configuration that the AudioSet models have in common, for an input."""
    return ModelConfig(
        num_classes=527,
        task="multilabel",
        input=inputs,
        cross_order=(0, 1),
        block_order=(0, 1),
        num_layers_per_block=8,
    )


def perceiver_io_imagenet_fourier() -> PerceiverIOClassifierConfig:
    """Perceiver IO for ImageNet on pixels with 2-D Fourier positions: 48.4M parameters.

    arXiv 2107.14795, Table 7 (top-1 79.0 in the paper): one cross-attend, 8 × 6 self-attends whose
    blocks share their weights, and a decoder with one query. The published weights are
    hf://deepmind/vision-perceiver-fourier.
    """
    return PerceiverIOClassifierConfig(input=ImageConfig(crop=0.875))


def perceiver_io_imagenet_learned() -> PerceiverIOClassifierConfig:
    """Perceiver IO for ImageNet with learned positions alone: 62.3M parameters.

    arXiv 2107.14795, Table 7 (top-1 72.7 in the paper): the model is told nothing of the structure
    of an image. Pixels and positions are each projected to 256 channels. The published weights are
    hf://deepmind/vision-perceiver-learned.
    """
    pixels = ImageConfig(
        projection_dim=256,
        position="learned",
        position_dim=256,
        position_projection_dim=256,
        crop=0.875,
    )
    return PerceiverIOClassifierConfig(input=pixels)


def perceiver_io_imagenet_conv() -> PerceiverIOClassifierConfig:
    """Perceiver IO for ImageNet after a convolution and max pooling: 48.6M parameters.

    arXiv 2107.14795, Table 7 (top-1 82.1 in the paper): 64 channels for each 4×4 pixels. The
    published weights are hf://deepmind/vision-perceiver-conv.
    """
    return PerceiverIOClassifierConfig(input=ConvImageConfig(crop=0.875))


def perceiver_io_language() -> PerceiverIOConfig:
    """Perceiver IO for masked language modelling on bytes: 201.1M parameters.

    arXiv 2107.14795, Tables 1 and 11 ("Perceiver IO" on UTF-8 bytes; 81.0 on GLUE in the paper):
    2,048 bytes, 256 latents of 1,280 channels, 26 self-attends, a learned query for each byte, and
    logits from the embeddings of the inputs. The published weights are
    hf://deepmind/language-perceiver.
    """
    return PerceiverIOConfig(
        input=TextConfig(),
        num_latents=256,
        latent_dim=1280,
        num_layers_per_block=26,
        num_cross_heads=8,
        qk_dim=256,
        v_dim=1280,
        self_qk_dim=256,
        self_v_dim=1280,
        decoder=DecoderConfig(num_heads=8, qk_dim=256, v_dim=768),
        output=TextOutputConfig(),
    )


def perceiver_io_flow() -> PerceiverIOConfig:
    """Perceiver IO for optical flow: a vector for each pixel of 368×496; 41.1M parameters.

    arXiv 2107.14795, §4.2 and Table 16: 3×3 patches around each pixel of both frames, 2,048 latents
    of 512 channels, 24 self-attends with 16 heads, and the inputs as queries. DeepMind's code and
    the published weights, hf://deepmind/optical-flow-perceiver, have as many parameters as here.
    The paper counts 27.9M: as many as there are without the feed-forwards of the 25 layers on the
    latents (525,312 weights and a norm of 1,024 each; 27.90M are left). With them, no number of
    layers gives it (15: 26.9M, 16: 28.4M). The paper does not say why they are not counted.
    """
    return PerceiverIOConfig(
        input=FramePairConfig(),
        num_latents=2048,
        latent_dim=512,
        num_layers_per_block=24,
        num_self_heads=16,
        output=FlowOutputConfig(),
    )


def perceiver_io_kinetics() -> PerceiverIOConfig:
    """Perceiver IO that rebuilds the film, sound and class of Kinetics-700 clips: 19.9M parameters.

    arXiv 2107.14795, §4.3 and Table 17 (784 latents; PSNR 26.97 of sound and 24.37 of film, top-1
    10.2 in the paper, which counts 20.0M parameters): 16 frames of 224² pixels, 0.64 s of sound at
    48 kHz, and an element for the class, which is always unknown; a query for each pixel, for each
    16 samples and for the class. The published weights are hf://deepmind/multimodal-perceiver.
    """
    sound = AudioConfig(num_samples=30_720, patch_size=16, num_bands=192, max_resolution=30_720.0)
    pictures = VideoConfig(num_frames=16, seconds=0.64, patch_frames=1, patch_size=4, num_bands=32)
    outputs: dict[str, OutputConfig] = {
        "audio": WaveOutputConfig(),
        "video": FramesOutputConfig(max_resolution=(16.0, 56.0, 56.0)),
        "label": LabelOutputConfig(),
    }
    return PerceiverIOConfig(
        input=FusionConfig(parts={"audio": sound, "video": pictures, "label": LabelConfig()}),
        num_latents=784,
        latent_dim=512,
        num_layers_per_block=8,
        qk_dim=704,
        output=FusionOutputConfig(parts=outputs),
    )


def perceiver_io_kinetics_encoder() -> ModelConfig:
    """Encoder of Perceiver IO for Kinetics-700 video with sound, read once; 15.63M parameters.

    arXiv 2107.14795, Table 17 (784 latents of 512 channels, the largest of three). What the paper
    does not say is from DeepMind's code (https://github.com/google-deepmind/deepmind-research,
    perceiver/colabs/video_autoencoding.ipynb): 16 frames of 224² pixels at 25 per second in 50,176
    patches of 1×4×4 with 32 bands per axis; their 0.64 s of sound at 48 kHz in 1,920 patches of 16
    samples with 192 bands up to the Nyquist frequency of the samples; both filled up to 704
    channels with learned ones; one cross-attend with one head, 8 self-attends with 8 heads, nothing
    shared.

    The published model is an autoencoder of video, sound and class label (20.0M parameters; top-1
    10.2% for the label at this size). This is its encoder alone with the head of this library, on
    the mean of the latents; no results are published for it. There is no decoder, hence no
    reconstruction, and no input element for the label, which the published encoder receives as 700
    one-hot channels or masked. Parameters as counted by `perceivers cost
    perceiver-io-kinetics-encoder`.
    """
    sound = AudioConfig(num_samples=30_720, patch_size=16, num_bands=192, max_resolution=30_720.0)
    pictures = VideoConfig(num_frames=16, seconds=0.64, patch_frames=1, patch_size=4, num_bands=32)
    return ModelConfig(
        num_classes=700,
        # 700 channels of the label and 4 learned ones, minus the 401 channels of sound.
        input=FusionConfig(parts={"audio": sound, "video": pictures}, min_embedding_dim=303),
        num_latents=784,
        latent_dim=512,
        cross_order=(0,),
        block_order=(0,),
        num_layers_per_block=8,
        qk_dim=704,
    )


def perceiver_pytorch_cifar10() -> ModelConfig:
    """Small model of a guide to perceiver-pytorch on CIFAR-10: 32 latents; 2.45M parameters.

    "Guide to Perceiver: A Scalable Transformer-based Model" (Analytics India Magazine): depth 6,
    nothing shared, 32 latents of 128 channels, 6 bands up to max_freq 10, one cross-attend head and
    two self-attend heads of 8 channels. For the architecture of that library see
    `perceivers.interop.from_perceiver_pytorch`.
    """
    order = tuple(range(6))
    return ModelConfig(
        num_classes=10,
        input=ImageConfig(image_size=32, num_bands=6, max_resolution=10.0),
        num_latents=32,
        latent_dim=128,
        cross_order=order,
        block_order=order,
        num_layers_per_block=1,
        num_self_heads=2,
        qk_dim=8,
        self_qk_dim=16,
        qkv_bias=False,
        widening_factor=4,
        activation="geglu",
        latent_std=1.0,
        pooled_norm=True,
    )


def keras_cifar100() -> ModelConfig:
    """Model of the Keras example for CIFAR-100: 64² images in 2×2 patches; 9.70M parameters.

    https://keras.io/examples/vision/perceiver_image_classification/ (Khalid Salama, 2021), after
    arXiv 2103.03206: 256 latents of 256 channels, one cross-attend and one block of four
    self-attends, both applied twice. Test top-1 52.64, top-5 80.87 on that page, in its version
    trained with LAMB. For the differences from the paper see
    `perceivers.models.keras_example.KerasExample`.
    """
    return KerasExampleConfig()


PRESETS: dict[str, Callable[[], EncoderConfig]] = {
    "perceiver-imagenet": perceiver_imagenet,
    "perceiver-imagenet-1x": perceiver_imagenet_1x,
    "perceiver-imagenet-unshared": perceiver_imagenet_unshared,
    "perceiver-modelnet40": perceiver_modelnet40,
    "perceiver-audioset-audio": perceiver_audioset_audio,
    "perceiver-audioset-video": perceiver_audioset_video,
    "perceiver-audioset-av": perceiver_audioset_av,
    "perceiver-io-imagenet-fourier": perceiver_io_imagenet_fourier,
    "perceiver-io-imagenet-learned": perceiver_io_imagenet_learned,
    "perceiver-io-imagenet-conv": perceiver_io_imagenet_conv,
    "perceiver-io-language": perceiver_io_language,
    "perceiver-io-flow": perceiver_io_flow,
    "perceiver-io-kinetics": perceiver_io_kinetics,
    "perceiver-io-kinetics-encoder": perceiver_io_kinetics_encoder,
    "perceiver-pytorch-cifar10": perceiver_pytorch_cifar10,
    "keras-cifar100": keras_cifar100,
}


def list_presets(filter: str = "*") -> list[str]:
    """List the names of the published configurations that `create` builds.

    Args:
        filter: a shell pattern that the names must match, such as "perceiver-audioset-*"; a word
            without wildcards matches the names that contain it.
    """
    pattern = filter if any(sign in filter for sign in "*?[") else f"*{filter}*"
    return [name for name in PRESETS if fnmatchcase(name, pattern)]
