# The results of one run as tables in Markdown, as docs/performance.md has them, and what of the targets was reached. Input: the JSON that
# tools/bench-build writes.

def fixed($digits): pow(10; $digits) as $p | (. * $p | round) as $n | ($n / $p | floor | tostring)
	+ if $digits == 0 then "" else "." + ($n % $p | tostring | ("0" * ($digits - length) // "") + .) end;
def mib: . / 1048576;
def cell($digits): if . == null then "" else fixed($digits) end;
def quotient($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;
def percent($a; $b): quotient($a; $b) | if . == null then . else 100 * . end;
def times: if . == null then "" else "\(fixed(1)) ×" end;
def row: "| \(join(" | ")) |";
def table($title; $head; $rows): select($rows | length > 0)
	| "", "**\($title)**", "", ($head | row), ($head | map("---") | row), ($rows[] | row);

. as $all | .results as $r | .compressions as $compressions |

def of($name; $compression): $r["\($name)-\($compression)"];

def builds: [$compressions[] as $c | of("mkosi"; $c) as $peer
	| (["mkosi", $peer], ["orlop, nothing decoded", of("orlop-cold"; $c)], ["orlop, again", of("orlop-warm"; $c)],
		["orlop, one package changed", of("orlop-changed"; $c)])
	| . as [$name, $x] | select($x)
	| [$c, $name, ($x.seconds | cell(2)), ($x.cpu_seconds | cell(2)), ($x.peak_rss | mib | cell(0)),
		(if $name == "mkosi" then "" else quotient($peer.seconds; $x.seconds) | times end),
		(if $name == "mkosi" then "" else quotient($peer.cpu_seconds; $x.cpu_seconds) | times end)]];

def writers: [$compressions[] as $c | of("writer-mkfs"; $c) as $peer
	| of("writer-orlop"; $c) as $ours
	| (["mkfs.erofs and veritysetup", $peer, $peer.seconds, $peer.cpu_seconds],
		["orlop, folder into memory and image", $ours, $ours.seconds, $ours.cpu_seconds], ["orlop, image alone", $ours, $ours.write, $ours.write_cpu])
	| . as [$name, $x, $seconds, $cpu] | select($x)
	| [$c, $name, ($seconds | cell(2)), ($cpu | cell(2)), ($x.size | mib | cell(1)),
		(if $x == $peer then "" else quotient($peer.seconds; $seconds) | times end)]];

# The part of a build that compresses: what it takes more than the same build without.
def limits: [$compressions[] | select(. != "none") as $c | of("compressor"; $c) as $x | select($x)
	| [$c, ($x.seconds | cell(2)), ($x.cpu_seconds | cell(2)), ($x.input / $x.seconds | mib | cell(0)), (100 * $x.size / $x.input | cell(1)),
		(of("writer-orlop"; $c).write - of("writer-orlop"; "none").write | cell(2)),
		(percent($x.seconds; of("writer-orlop"; $c).write - of("writer-orlop"; "none").write) | cell(0)),
		(of("writer-mkfs"; $c).seconds - of("writer-mkfs"; "none").seconds | cell(2))]];

def boots: [(["Debian's packages and initrd", "boot-stock"], ($compressions[] | ["orlop, \(.)", "boot-\(.)"]), ["orlop, the edition as it is shipped", "boot-edition"]) as [$name, $key]
	| $r[$key] as $x | $r[$key + "-instructions"] as $i | select($x)
	| [$name, ($x.seconds | cell(1)), ($i.seconds | cell(2)), ($i.busy | cell(2)), ($x.initrd | mib | cell(1)),
		(if $key == "boot-stock" then "" else quotient($r["boot-stock"].seconds; $x.seconds) | times end),
		(if $key == "boot-stock" then "" else quotient($r["boot-stock-instructions"].busy; $i.busy) | times end)]];

def choices: [$compressions[] as $c | of("orlop-cold"; $c) as $build | of("update"; $c) as $update | select($build)
	| [$c, ($build.size | mib | cell(1)), ($build.seconds | cell(2)), (of("orlop-warm"; $c).seconds | cell(2)), (of("boot"; $c).seconds | cell(1)),
		($r["boot-\($c)-instructions"].busy | cell(2)), (of("read"; $c).seconds | cell(2)), (of("read"; $c).cpu_seconds | cell(2)),
		(percent($update.found; $update.blocks) | cell(1)), ($update.own.bytes.bodies | if . then . / 1000 else . end | cell(0)),
		($update.whole | if . then mib else . end | cell(1))]];

def others: [(["resolve against metadata that is there (`orlop build --explain`)", "resolve"], ["the edition as it is shipped, built before", "orlop-edition"],
	["decoding all packages, dpkg-deb on all processors", "decode"], ["hash tree alone, one thread", "hash-1"],
	["hash tree alone, all processors", "hash-\($all.processors)"]) as [$name, $key] | $r[$key] | select(.)
	| [$name, (.seconds | cell(2)), (.cpu_seconds | cell(2)), (.peak_rss | mib | cell(0))]];

# target TEXT; VALUE; AT LEAST: or, where the limit is negative, at most that.
def target($text; $value; $limit; $digits): select($value != null)
	| [$text, ($value | fixed($digits)), (if $limit < 0 then "at most \(-$limit)" else "at least \($limit)" end),
		(if (if $limit < 0 then $value <= -$limit else $value >= $limit end) then "reached" else "**not reached**" end)];
def slow: test("^(lz4hc|zstd)");
def targets: [
	($compressions[] as $c | of("mkosi"; $c) as $peer | (
		target("\($c): cold build, times as fast as mkosi"; quotient($peer.seconds; of("orlop-cold"; $c).seconds); if $c | slow then 3 else 10 end; 1),
		target("\($c): one package changed, times as fast as mkosi"; quotient($peer.seconds; of("orlop-changed"; $c).seconds); 25; 1),
		target("\($c): peak memory of a cold build, MiB"; of("orlop-cold"; $c).peak_rss | if . then mib else . end; -1536; 0),
		target("\($c): image and tree, times as fast as mkfs.erofs and veritysetup";
			quotient(of("writer-mkfs"; $c).seconds; of("writer-orlop"; $c).write); 2; 1),
		target("\($c): size of the image, by that of mkfs.erofs"; quotient(of("writer-orlop"; $c).size; of("writer-mkfs"; $c).size); -1; 4),
		(select($c | slow) | target("\($c): what compressing adds to the image, % of what the compressor can do";
			percent(of("compressor"; $c).seconds; of("writer-orlop"; $c).write - of("writer-orlop"; "none").write); 90; 0)),
		target("\($c): start, times as fast"; quotient($r["boot-stock"].seconds; of("boot"; $c).seconds); 2; 1),
		target("\($c): start, times fewer instructions"; quotient($r["boot-stock-instructions"].busy; $r["boot-\($c)-instructions"].busy); 2; 1))),
	target("the edition: start, times as fast"; quotient($r["boot-stock"].seconds; $r["boot-edition"].seconds); 2; 1),
	target("the edition: start, times fewer instructions"; quotient($r["boot-stock-instructions"].busy; $r["boot-edition-instructions"].busy); 2; 1),
	target("resolve against metadata that is there, s"; $r.resolve.seconds; -0.5; 2)];

"\(.packages) packages, \(.processors) processors, load \(.load) when it began, median of \(.runs), \(.date). mkosi \(.versions.mkosi) "
	+ "(erofs-utils \(.versions.mkosi_mkfs)), liblzma \(.versions.liblzma) on both sides, \(.versions.mkfs), \(.versions.veritysetup | sub(" flags:.*"; "")), \(.versions.qemu | sub(" \\(.*"; "")).",
(.changed | select(.) | "The package that changes: \(.name) \(.old) to \(.new)."),
table("From cached packages to a finished disk"; ["compression", "", "s", "CPU s", "peak MiB", "by mkosi, s", "by mkosi, CPU s"]; builds),
table("The image and its hash tree alone"; ["compression", "", "s", "CPU s", "MiB", "by mkfs.erofs"]; writers),
table("Compressors themselves, on all processors"; ["compression", "s", "CPU s", "MiB/s", "% of size", "added to our image, s", "limit by that, %", "added to mkfs.erofs, s"]; limits),
table("From the kernel's start to multi-user.target"; ["", "s", "s of 10⁹ instructions", "of these busy", "initrd MiB", "by Debian, s", "by Debian, busy"]; boots),
table("The choice of a compression"; ["compression", "image MiB", "cold build s", "again s", "start s", "start, 10⁹ instructions", "cold read s", "CPU s",
	"blocks kept %", "update kB", "whole MiB"]; choices),
table("Other measurements"; ["", "s", "CPU s", "peak MiB"]; others),
table("Targets"; ["", "", "", ""]; targets)
