__version__ = "0.1.0"
from importlib import import_module as _import

# Made by `python tools/pages.py`: the public names behind their modules, imported when they are asked for.
_HOME, _module = {}, ""
for _word in """
shapes: SHAPES COLORS SIZES PLACES WORDS Thing render describe Scene ShapesWorld data: Sample to_tensor
hash_uniform seeded CaptionedImages ShapesImages image_transform word_tokenizer tokenize Batch collate retext
masking: MASKS Mask on_grid coverage copy_paste mask_shares Masker RandomMask BlockMask MultiBlockMask
MaskBank encoders: gather_tokens encode_patches hiding_fault VisionEncoder vision_encoder TextEncoder
text_encoder freeze is_frozen predictor: FORMS SEVERAL sincos_2d Attention Predictor targets: EMATarget
momentum_schedule normalize_targets parse_adapt adapt_encoder share_frozen losses: LOSSES cosine_loss l2_loss
l1_loss smooth_l1_loss variance_loss covariance_loss sigreg model: PRESETS VLJEPAConfig VLJEPA measure:
BASELINES CAPTIONS METERS latent_means baselines skill shown_captions caption_latents Look looks rankme meters
compare first_meters evaluate summarize format_table learn: param_groups count_trained cosine_ramp schedule
set_rates Callback Learner EMA Evaluate Record diagnostics: ALL_BASELINES fit_ridge bootstrap caption_gain
word_attribution word_gradient PatchLibrary patch_library patchwork leak collapse_alarms unlearned Examination
examine diagnose probing: average_precision mean_ap KNNProbe hidden_labels random_predictor LinearProbe
AttentiveProbe recall imagine centred_cosine ridge_map ablations: read_table Study mean_interval paired_p holm
compare_variants finding format_study plot_intervals plot_curves captions: FUNCTION_WORDS CONTROLS EDITS
blank_words reorder_words control_captions edit_things edited_pair edit_mask wilson edit_scores named_things
Pointed pointing pretraining: ASKED SHOWN fresh_encoder as_pixels Scenes OwnTarget own_loss encode_bytes
encoder_meters WatchEncoder probe_encoder ContrastivePair contrastive_loss pitfalls: examine_setup
engine.files: engine.pictures: engine.captioned: CaptionedPictures engine.coco: CocoCaptions engine.fetch:
make_shapes_coco download_coco engine.rows: engine.shards: shard_sample engine.sources: open_source
engine.weights: check_fetched read_weights load_weights engine.hub: padding_fault prove load_vision
longest_input load_text load_model check_model freeze_unused half_weights engine.store: engine.features: Views
store_features engine.runs: TRAIN_PRESETS TrainConfig read_config read_metrics provenance engine.loaders:
engine.checkpoints: encoder_marks newest_checkpoint save_checkpoint load_checkpoint Opened open_run
engine.processes: engine.viz: plot_examples plot_skill_maps plot_places plot_words plot_patchwork plot_pca
plot_probe plot_run engine.callbacks: Checkpoints WriteCSV Track highest overfitting signs Alarms StopOnSignal
SkipBroken engine.check: check_folder engine.trainer: Trainer engine.cli: vljepa_data vljepa_train
engine.probe_run: engine.probe_report: probe_folder vljepa_probe engine.studies: engine.sweep: ablate
vljepa_ablate engine.plan: Plan plan largest_batch vljepa_plan engine.audit: ENCODERS WITHOUT SEVERAL
audit_configs audit vljepa_audit engine.export: engine.onnx: write_parts vljepa_export
""".split():
    if _word[-1] == ":": _module = f"vljepa.{_word[:-1]}"
    else: _HOME[_word] = _module

def __getattr__(name):
    if name in _HOME: return getattr(_import(_HOME[name]), name)
    raise AttributeError(f"module 'vljepa' has no attribute {name!r}")

def __dir__(): return sorted({*globals(), *_HOME})
