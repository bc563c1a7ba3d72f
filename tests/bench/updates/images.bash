# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# The real images: "old" without the security suite's fixes, "security" with them but with the old kernel, "kernel" with all.
# No version is named here: they are what the mirror has today.

# build_image DEFINITION VERSION OPTION… FOLDER
build_image() {
	local definition=$1 version=$2
	shift 2
	mkdir "${*: -1}"
	"$build/orlop" build "$definition" --quiet --json --keys "$out/keys" --version "$version" "${@:1:$#-1}" --output "${*: -1}" \
		>"$out/log/build.json"
	rm "${*: -1}"/*.raw
}

# The edition with the kernel that "old" has: the package that depends on the newest one gives its place to that one.
held_definition() {
	local kernel
	kernel=$(jq -r '.packages[].name | select(test("^linux-image-[0-9]"))' "$(image_of old .manifest.json)")
	mkdir -p "$out/held"
	ln -sfn "$PWD/editions/container-linux" "$out/held/container-linux"
	sed "s/^  - linux-image-cloud-{architecture}\$/  - $kernel/" editions/container-linux.yaml >"$out/held/held.yaml"
	grep -qxF "  - $kernel" "$out/held/held.yaml" || { echo "bench-updates: no package of a kernel in the edition" >&2; return 1; }
}

# Images are built again when the program or the edition is newer than they are, or when they are a day old: the mirror moves on.
images_make() {
	local name
	for name in old security kernel; do
		if [ -z "$(find "$out/images/$name" -maxdepth 0 -newer "$build/orlop" -newer editions/container-linux.yaml -mmin -1440 \
			2>/dev/null)" ]; then
			rm -rf "$out/images/$name"
		fi
	done
	mkdir -p "$out/images"
	[ -d "$out/keys" ] || "$build/orlop" keys init "$out/keys" >/dev/null
	once "$out/images/old" build_image container-linux 202601.05.0 --security-mirror none
	held_definition
	once "$out/images/security" build_image "$out/held/held.yaml" 202601.12.0
	once "$out/images/kernel" build_image container-linux 202601.12.0
}

# packages_changed NAME: what of the packages is not as in "old", as JSON.
packages_changed() {
	jq -n --slurpfile old "$(image_of old .manifest.json)" --slurpfile new "$(image_of "$1" .manifest.json)" '
		def versions: .[0].packages | map({(.name): .version}) | add;
		($old | versions) as $o | ($new | versions) as $n
		| [$o + $n | keys[] | select($o[.] != $n[.]) | {name: ., old: $o[.], new: $n[.]}]'
}
