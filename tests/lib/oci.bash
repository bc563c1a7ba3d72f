# make_oci FILE NAME [ARCH]: an OCI image archive with one layer that holds busybox (statically linked, of this host's
# architecture or the one that is named) and links to it for the applets that the tests use.
make_oci() {
	local file=$1 name=$2 arch dir applet layer config manifest
	arch=${3:-$(dpkg --print-architecture)}
	dir=$(mktemp -d)
	mkdir -p "$dir/root/bin" "$dir/root/tmp" "$dir/root/etc" "$dir/oci/blobs/sha256"
	if [ "$arch" = "$(dpkg --print-architecture)" ]; then
		cp /bin/busybox "$dir/root/bin/busybox"
	else
		"${ORLOP%/*}/make-sysroot" "$dir/system" "$arch" trixie busybox-static
		cp "$dir/system/usr/bin/busybox" "$dir/root/bin/busybox"
	fi
	for applet in sh cat echo ls wget ip ping hostname id true; do ln -s busybox "$dir/root/bin/$applet"; done
	echo root:x:0:0:root:/:/bin/sh >"$dir/root/etc/passwd"
	tar -C "$dir/root" --owner=0 --group=0 --numeric-owner --sort=name --mtime=@0 -cf "$dir/layer" .
	layer=$(oci_blob "$dir" "$dir/layer")
	jq -cn --arg arch "$arch" --arg layer "$layer" '{architecture: $arch, os: "linux", config: {Cmd: ["/bin/sh"], Env: ["PATH=/bin"]},
		rootfs: {type: "layers", diff_ids: ["sha256:" + $layer]}}' >"$dir/config"
	config=$(oci_blob "$dir" "$dir/config")
	jq -cn --arg config "$config" --argjson config_size "$(stat -c %s "$dir/config")" --arg layer "$layer" \
		--argjson layer_size "$(stat -c %s "$dir/layer")" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: ("sha256:" + $config), size: $config_size},
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: ("sha256:" + $layer), size: $layer_size}]}' >"$dir/manifest"
	manifest=$(oci_blob "$dir" "$dir/manifest")
	jq -cn --arg digest "$manifest" --argjson size "$(stat -c %s "$dir/manifest")" --arg name "$name" '{schemaVersion: 2,
		manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: ("sha256:" + $digest), size: $size,
		annotations: {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": "latest"}}]}' >"$dir/oci/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci/oci-layout"
	tar -C "$dir/oci" -cf "$file" oci-layout index.json blobs
	rm -rf "$dir"
}

# Puts a file under its digest, which is printed.
oci_blob() {
	local digest
	digest=$(sha256sum <"$2")
	digest=${digest%% *}
	cp "$2" "$1/oci/blobs/sha256/$digest"
	echo "$digest"
}
