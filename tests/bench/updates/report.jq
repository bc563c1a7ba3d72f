# The results of one run as tables, and what of the targets was reached. Input: the JSON that tools/bench-updates writes.

def left($n): . + (" " * ($n - length) // "");
def right($n): tostring | (" " * ($n - length) // "") + .;
def fixed($digits): pow(10; $digits) as $p | (. * $p | round) as $n | ($n / $p | floor | tostring)
	+ if $digits == 0 then "" else "." + ($n % $p | tostring | ("0" * ($digits - length) // "") + .) end;
def mib: . / 1048576;

def names: [
	["orlop", "Orlop, from the release before"],
	["orlop_kernel", "Orlop, the kernel image beside it"],
	["orlop_large", "Orlop, an image four times as large"],
	["orlop_plain", "Orlop, without patch and tree delta"],
	["orlop_whole", "Orlop, from nothing"],
	["full", "(a) whole image, zstd -\(.level) --long=27"],
	["rauc", "(b) RAUC, block-hash-index *"],
	["casync", "(c) casync, default chunks"],
	["casync_small", "(c) casync, 4:8:16 KiB chunks"],
	["ostree", "(d) OSTree, normal pull"],
	["ostree_static", "(d) OSTree, static delta"],
	["ostree_delta", "(d) OSTree, the delta's files alone"],
	["patch_from", "(e) zstd -19 --long=30 --patch-from"],
	["patch_from_9", "(e) zstd -9 --long=30 --patch-from"],
	["rauc_orlop", "Orlop in RAUC's guest *"]];

def cell($digits; $width): if . == null then "-" else fixed($digits) end | right($width);
def row: "  \(.name | left(38))\(.wire.bytes | right(12))\(.wire.requests | right(9))\(.seconds | cell(2; 9))"
	+ "\(.cpu_seconds | cell(2; 9))\(.peak_rss | if . then mib else . end | cell(1; 10))";

def table($pair): .results as $results
	| "", "\($pair.name) pair, \($pair.image) bytes: \([$pair.packages[] | "\(.name) \(.old // "-") to \(.new // "-")"] | join(", "))",
	"  \("" | left(38))\("bytes" | right(12))\("requests" | right(9))\("s" | right(9))\("CPU s" | right(9))\("peak MiB" | right(10))",
	(names[] as [$method, $name] | $results[$pair.name][$method] | select(.) | .name = $name | row);

# target TEXT; VALUE; LIMIT; UNIT: reached where the value is not above the limit.
def target($text; $value; $limit; $digits):
	"  \(if $value <= $limit then "reached    " else "NOT reached" end)  \($text): \($value | fixed($digits)), at most \($limit | fixed($digits))";

# Of several ways to use a program, the one with the fewest bytes counts.
def best($r; $methods): [$methods[] | select($r[.]) | {method: ., bytes: $r[.].wire.bytes}] | min_by(.bytes);
def ratio($r; $methods): best($r; $methods) | select(.) | $r.orlop.wire.bytes / .bytes;
def security_targets($r):
	target("security pair, bytes by those of zstd --patch-from"; ratio($r; ["patch_from", "patch_from_9"]); 1.25; 2),
	target("security pair, bytes by those of RAUC"; ratio($r; ["rauc"]); 1 / 3; 2),
	target("security pair, bytes by those of casync"; ratio($r; ["casync", "casync_small"]); 1 / 3; 2);
def kernel_targets($r):
	["full", "rauc", "casync", "casync_small", "ostree", "ostree_static", "ostree_delta", "patch_from", "patch_from_9"] as $others
	| target("kernel pair, bytes by those of the best other, \(best($r; $others).method)"; ratio($r; $others); 1; 2);
# Writing: what a run of ours wrote, by the time of its steps that write, beside what dd writes.
def rate: .own | (.blocks.all - .blocks.kept - .blocks.zero) * 4096 / (.steps.copy + .steps.fetch) | mib;
def writing($text; $size; $own; $dd; $copy):
	($own | rate) as $own | ($size / $dd.seconds | mib) as $dd
	| "  \(if $own >= 0.8 * $dd then "reached    " else "NOT reached" end)  \($text): \($own | fixed(0)) MiB/s of the "
		+ "\($dd | fixed(0)) of dd oflag=direct: \(100 * $own / $dd | fixed(0)) %, at least 80 %"
		+ if $copy then "; dd from the old image, read with O_DIRECT: \($size / $copy.seconds | mib | fixed(0)) MiB/s" else "" end;
def cost_targets($pair; $size; $r; $disk_rate):
	target("\($pair) pair, peak memory of the node's side in MiB";
		[$r | (.orlop, .orlop_plain, .orlop_whole, .orlop_large).peak_rss] | max | mib; 32; 1),
	(select($r.dd_slow) | writing("\($pair) pair, writing to a disk of \($disk_rate) MiB/s"; $size; $r.orlop_slow; $r.dd_slow; null)),
	writing("\($pair) pair, writing to this machine's disk"; $size; $r.orlop; $r.dd; $r.dd_copy),
	target("\($pair) pair, index pass in processor seconds for a GiB"; $r.index.cpu_seconds_per_gib; 1; 2);

(.pairs[] as $pair | table($pair)),
"", "* in a guest under QEMU without KVM, since RAUC needs a kernel with NBD and dm-verity: bytes and memory are exact, times compare",
"  with each other only.",
"", "Targets:",
.results as $all
| (if $all.security then security_targets($all.security) else empty end),
(if $all.kernel then kernel_targets($all.kernel) else empty end),
(.disk_rate as $disk_rate | .pairs[] | cost_targets(.name; .image; $all[.name]; $disk_rate))
