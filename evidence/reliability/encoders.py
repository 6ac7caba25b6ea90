"""Try the encoders that people use, one after the other, with random weights and without a network: which are accepted, and whether
what is promised of them holds.

    python evidence/reliability/encoders.py           writes evidence/reliability/results/encoders.json
    python evidence/reliability/encoders.py --vision  only the names of timm; --text: only the families of transformers
    python evidence/reliability/encoders.py --vision sapiens2    these names once more, each with the commit; the others stay

Of timm all names are tried that cut patches by one projection, cut down to two blocks and to a grid of 4 x 3 patches, with noise
added to all weights so that none is at a harmless beginning. Of transformers a small model of each family is saved in a folder,
beside a tokenizer made here, and read back. What is said of an encoder is measured here, apart from the proof that the library
makes for itself. One of each family trains three steps in two processes (DDP over gloo)."""
import argparse
import os
import re
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore")
import timm
import torch
import torch.distributed as dist
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedTokenizerFast

from vljepa.data import tokenize
from vljepa.encoders import VisionEncoder, text_encoder
from vljepa.engine.files import write_json
from vljepa.engine.hub import freeze_unused, load_text
from vljepa.engine.runs import provenance
from vljepa.shapes import ShapesWorld

RESULTS = Path(__file__).resolve().parent/"results"/"encoders.json"
PREFIXES = "vit", "deit", "beit", "eva", "flexivit", "naflex", "aimv2"
FAMILIES = {  # the first pattern that a name of timm has
    "DINOv3": "dinov3", "DINOv2": "dinov2", "Sapiens-2": "sapiens2", "SigLIP": "siglip|gemma", "PE": "_pe_", "EVA-02": "^eva02", "EVA": "^eva",
    "CLIP and BEiT-3": "clip|beit3", "ViT with RoPE": "rope", "AIMv2": "^aimv2", "DeiT III": "^deit3", "DeiT": "^deit", "BEiT": "^beit",
    "FlexiViT": "^flexivit", "NaFlexViT": "^naflex", "ViT with relative positions": "relpos", "ViT": "^vit"}
SIZES = dict(  # of whatever a configuration calls them
    vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64,
    d_model=32, num_layers=2, num_heads=2, d_ff=64, d_kv=16, num_decoder_layers=2, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, n_layers=2, n_heads=2, dim=32, hidden_dim=64, emb_dim=32,
    n_embd=32, n_layer=2, n_head=2, n_inner=64, num_key_value_heads=1, head_dim=16, embedding_size=32, d_head=16, d_inner=64, n_positions=64,
    intra_bottleneck_size=32, word_embed_proj_dim=32, ffn_dim=64)
TEXT = {
    "BERT's kin": "bert roberta xlm-roberta xlm-roberta-xl roberta-prelayernorm camembert data2vec-text distilbert electra albert mpnet "
                  "deberta deberta-v2 modernbert eurobert nomic_bert gte ernie megatron-bert rembert roformer squeezebert mobilebert ibert xmod luke "
                  "layoutlm big_bird longformer nystromformer convbert fnet mra yoso funnel roc_bert esm bert-generation flaubert xlm jina_embeddings_v3".split(),
    "text towers": "clip siglip clip_text_model siglip_text_model".split(),
    "encoders of encoder-decoders": "t5 mt5 umt5 longt5 t5gemma bart mbart pegasus marian m2m_100".split(),
    "causal decoders": "gemma gemma2 gemma3_text embedding_gemma2_text llama mistral qwen2 qwen3 phi3 gpt2 opt xlnet".split()}
SHORT, LONG = "a small red star", "a large blue circle in the center and a small red star at the top left"

def noise(module): # the same, changed
    "Add noise to all weights: a layer scale of 1e-5 would hide what attention does."
    with torch.no_grad():
        for p in module.parameters(): p.add_(torch.randn_like(p), alpha=.05)
    return module

def sentence(error):
    "Kind and text of an error, without a folder's name."
    return f"{type(error).__name__}: {' '.join(re.sub(r'/tmp/[^ ,]*/', '', str(error)).split())}"[:300]

def family(name): return next(kind for kind, pattern in FAMILIES.items() if re.search(pattern, name))

def one_projection():
    "Names of timm that cut patches by one projection, each with the arguments that make it small, and its number of weights."
    found = {}
    for name in timm.list_models():
        if not name.startswith(PREFIXES): continue
        args = dict(depth=2) | (dict(num_kv_heads=2) if "sapiens2" in name else {})
        with torch.device("meta"): vit = timm.create_model(name, num_classes=0, **args)
        cut = getattr(vit, "patch_embed", None) or vit.embeds
        if type(cut).__name__ not in ("PatchEmbed", "NaFlexEmbeds"): continue
        p, q = cut.patch_size
        found[name] = args | dict(img_size=(4*p, 3*q)), sum(p.numel() for p in vit.parameters())
    return found

def make_vit(name, args):
    torch.manual_seed(0)
    vit = noise(timm.create_model(name, num_classes=0, **args))
    vit.pretrained_cfg["input_size"] = 3, *args["img_size"]  # NaFlexViT takes any size
    return vit.eval()

def try_vision(name, args):
    "What holds of a name; `why` it is refused."
    vit = make_vit(name, args)
    vit.reset_classifier(0, "")
    P, images = vit.num_prefix_tokens, torch.randn(2, 3, *args["img_size"], generator=torch.Generator().manual_seed(1))
    with torch.no_grad(): whole, options = vit.forward_features(images)[:, P:], dict(norm=True, output_fmt="NLC", intermediates_only=True)
    with torch.no_grad(): last = vit.forward_intermediates(images, indices=2, **options)
    try: encoder = VisionEncoder(vit, name)
    except ValueError as error: return dict(accepted=False, why=sentence(error))
    close = lambda a, b: torch.allclose(a, b, rtol=1e-4, atol=1e-4 * b.abs().max().item())
    order = torch.stack([torch.randperm(12, generator=torch.Generator().manual_seed(i)) for i in range(2)])
    take = lambda x, idx: x.gather(1, idx[..., None].expand(-1, -1, x.shape[-1]))
    keep = order[:, :5]
    visible = torch.zeros(2, 12).scatter(1, keep, 1.).view(2, 1, 4, 3)
    visible = nn.functional.interpolate(visible, args["img_size"]) > 0
    with torch.no_grad():
        context = encoder(images, keep)
        equal = close(encoder(images), whole) and close(encoder(images, order), take(whole, order))
        layers = close(encoder(images, layers=2), sum(last)/2)
        leaks = [not torch.equal(encoder(torch.where(visible, images, s*torch.randn_like(images)), keep), context) for s in (.01, 1, 100)]
        alone = all(close(encoder(images[i:i + 1], keep[i:i + 1]), context[i:i + 1]) for i in range(2))
    grads = []
    for on in (False, True):
        vit.set_grad_checkpointing(on)
        vit.zero_grad()
        torch.manual_seed(0)  # some move their positions at random while they train
        encoder.train()(images, keep, layers=2).square().sum().backward()
        grads.append([p.grad for p in vit.parameters() if p.grad is not None])
    same = len(grads[0]) == len(grads[1]) and all(close(*pair) for pair in zip(*grads))
    return dict(accepted=True, grid=encoder.grid == (4, 3), equal=equal, no_leak=not any(leaks), order=alone, layers=layers, recompute=same)

def make_tokenizer(kind):
    "A byte-level tokenizer of captions that knows no longest length; `unpadded`: without a padding token; `bare`: adds no token."
    world, special = ShapesWorld(), ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    lines, alphabet = [c for i in range(200) for c in world[i].captions], pre_tokenizers.ByteLevel.alphabet()
    tok.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet))
    names = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", mask_token="<mask>", cls_token="<s>", sep_token="</s>")
    if kind == "bare": return PreTrainedTokenizerFast(tokenizer_object=tok, pad_token="<pad>", **names)
    tok.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tok, **names, **({} if kind == "unpadded" else dict(pad_token="<pad>")))

def make_text(name, folder, words):
    "Save a small random model of a family, of one for images too the whole of it."
    torch.manual_seed(0)
    sizes = SIZES | dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=0)
    def config_of(kind, sizes=sizes):
        known = set(getattr(kind, "__dataclass_fields__", ())) | set(kind().to_dict()) | set(kind.attribute_map)
        return {k: v for k, v in sizes.items() if k in known}
    kind = CONFIG_MAPPING[name]
    if name in ("clip", "siglip"):
        part = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
        image = part | dict(image_size=32, patch_size=16)
        config = kind(text_config=part | dict(vocab_size=400, max_position_embeddings=64, pad_token_id=1, bos_token_id=0, eos_token_id=2),
                      vision_config=image, projection_dim=32)
    elif name == "t5gemma":
        part = {k: v for k, v in SIZES.items() if k in "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim intermediate_size max_position_embeddings".split()}
        config = kind(encoder=part, decoder=part, vocab_size=400, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    else: config = kind(**config_of(kind))
    if name == "xlm-roberta-xl": config.intermediate_size = 64
    cls = transformers.MODEL_MAPPING.get(kind, None) or getattr(transformers, kind.__name__.replace("Config", "Model"))
    noise((cls[0] if isinstance(cls, tuple) else cls)(config)).save_pretrained(folder)
    words.save_pretrained(folder)

def try_text(name, root, words):
    "What holds of a family."
    folder = root/name
    root.mkdir(exist_ok=True)
    try: make_text(name, folder, words)
    except Exception as error: return dict(made=False, why=sentence(error))
    try: encoder = load_text(folder)
    except (ValueError, OSError) as error: return dict(made=True, accepted=False, why=sentence(error))
    encoder.eval()
    read = lambda *lines: tokenize(list(lines), encoder.tokenizer, encoder.max_length)
    with torch.no_grad():
        ids, mask = read(SHORT)
        x, y, z = encoder(ids, mask)[0], encoder(*read(SHORT, LONG))[0], encoder(*read("", LONG))
        change = ((x - y[:len(x)]).norm()/x.norm()).item()
        line = ids.repeat(1, encoder.max_length)[:, :encoder.max_length]
        whole = encoder(line, torch.ones_like(line).bool()).isfinite().all().item()
        swapped = ids.clone()
        swapped[0, -2] = ids[0, -3]  # another word near the end
        looks_back = not torch.allclose(encoder(swapped, mask)[0, 1], x[1], atol=1e-6)
    chapter = text_encoder(folder).eval()
    with torch.no_grad(): same = torch.equal(chapter(ids, mask)[0], x)
    return dict(made=True, accepted=True, change=change, empty=z.isfinite().all().item(), longest=encoder.max_length, longest_read=whole,
                claimed=getattr(encoder.bert.config, "max_position_embeddings", None), reads_both_ways=looks_back, same_by_chapter=same,
                model=type(encoder.bert).__name__)

def train(rank, jobs, address, folder):
    "Three steps of each encoder under DDP; in each process."
    os.environ |= dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(address))
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found = {}
    for kind, name, args in jobs:
        vision, text = ((VisionEncoder(make_vit(name, args), name), None) if kind == "vision"
                        else (None, load_text(Path(args)/name)))
        part = vision or text
        inputs = ((torch.randn(2, 3, *args["img_size"]), torch.arange(5).expand(2, -1)) if kind == "vision"
                  else tokenize([SHORT, LONG], part.tokenizer, part.max_length))
        try:
            unused = freeze_unused(SimpleNamespace(vision=vision, text=text))
            wrapped = nn.parallel.DistributedDataParallel(part.train())
            optimizer = torch.optim.SGD([p for p in part.parameters() if p.requires_grad], 1e-3)
            for _ in range(3):
                wrapped(*inputs).square().mean().backward()
                optimizer.step()
                optimizer.zero_grad()
            sums = [None, None]
            dist.all_gather_object(sums, sum(p.double().sum().item() for p in part.parameters()))
            found[name] = dict(trains=sums[0] == sums[1], unused=[n.split(".", 1)[1] for n in unused])
        except Exception as error: found[name] = dict(trains=False, why=sentence(error))
    if rank == 0: write_json(Path(folder)/"ddp.json", found)
    dist.destroy_process_group()

def train_together(jobs):
    "What two processes find, by name."
    import json
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(train, (jobs, 29571 + os.getpid() % 400, folder), nprocs=2)
        return json.loads((Path(folder)/"ddp.json").read_text())

def main():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vision", action="store_true")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("names", nargs="*", help="parts of names of timm")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    import json
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    both, start = args.vision == args.text, time.time()
    if args.vision or both:
        names, rows = one_projection(), dict(result["vision"]["names"]) if args.names else {}
        for name, (small, _) in names.items():
            if args.names and not any(part in name for part in args.names): continue
            again = dict(commit=provenance()["commit"], **{k: v for k, v in rows[name].items() if k == "ddp"}) if args.names else {}
            rows[name] = dict(family=family(name)) | try_vision(name, small) | again
            print(name, {k: v for k, v in rows[name].items() if k != "family"}, flush=True)
        smallest, kept = {}, {k: result["vision"][k] for k in ("seconds", "provenance")} if args.names else {}
        for name, (small, size) in sorted(names.items(), key=lambda item: item[1][1]):
            if rows[name]["accepted"]: smallest.setdefault(rows[name]["family"], ("vision", name, small))
        jobs = [] if args.names else [*smallest.values()]
        for name, row in (train_together(jobs) if jobs else {}).items(): rows[name]["ddp"] = row
        result["vision"] = dict(names=rows, accepted=sum(r["accepted"] for r in rows.values()), seconds=round(time.time() - start),
                                provenance=provenance()) | kept
    if args.text or both:
        start, rows = time.time(), {}
        with tempfile.TemporaryDirectory() as folder:
            words = make_tokenizer("whole")
            for group, families in TEXT.items():
                for name in families:
                    rows[name] = dict(group=group) | try_text(name, Path(folder), words)
                    print(name, rows[name], flush=True)
            for kind, said in (("unpadded", "no padding token"), ("bare", "no token for an empty caption")):
                rows[f"gpt2, {said}"] = dict(group="tokenizers") | try_text("gpt2", Path(folder)/kind, make_tokenizer(kind))
                print(rows[f"gpt2, {said}"], flush=True)
            jobs = [("text", name, folder) for name, row in rows.items() if row.get("accepted") and " " not in name]
            for name, row in train_together(jobs).items(): rows[name]["ddp"] = row
        result["text"] = dict(families=rows, accepted=sum(r.get("accepted", False) for r in rows.values()), seconds=round(time.time() - start),
                              provenance=provenance())
    write_json(RESULTS, result)
    for part, rows in (("vision", "names"), ("text", "families")):
        if part in result: print(part, Counter((r.get("accepted"), r.get("ddp", {}).get("trains")) for r in result[part][rows].values()))

if __name__ == "__main__": main()
