# shellcheck shell=bash disable=SC2154 # variables that tools/bench-build and these files set for each other
# The peer: mkosi, which makes the same of the same packages: EROFS for /usr with its hash tree and signature, a signed kernel image
# with mkosi's initrd, systemd-boot, GPT. Nothing is measured before all its packages have been fetched once.

# The archive's suites as `orlop build` reads them; mkosi by itself wants an archive of debug symbols too, which few mirrors have.
mkosi_sources() {
	local mirror
	mirror=$(apt_mirror)
	cat <<-END
		Types: deb
		URIs: $mirror
		Suites: trixie trixie-updates
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

		Types: deb
		URIs: ${mirror%/}-security
		Suites: trixie-security
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
}

# mkosi_partition NUMBER-NAME LINE…
mkosi_partition() {
	local name=$1
	shift
	{ echo '[Partition]'; printf '%s\n' "$@"; } >"$mkosi/mkosi.repart/$name.conf"
}
mkosi_partitions() { # COMPRESSION
	local lines=()
	[ "$1" = none ] || lines=("Compression=$(algorithm_of "$1")")
	[ -z "$(level_of "$1")" ] || lines+=("CompressionLevel=$(level_of "$1")")
	mkdir -p "$mkosi/mkosi.repart"
	mkosi_partition 00-esp Type=esp Format=vfat CopyFiles=/boot:/ CopyFiles=/efi:/ SizeMinBytes=512M SizeMaxBytes=512M
	mkosi_partition 10-usr Type=usr Format=erofs CopyFiles=/usr:/ Verity=data VerityMatchKey=usr Minimize=best "${lines[@]}"
	mkosi_partition 20-verity Type=usr-verity Verity=hash VerityMatchKey=usr Minimize=best
	mkosi_partition 30-signature Type=usr-verity-sig Verity=signature VerityMatchKey=usr
}

# mkosi_definition PACKAGES COMPRESSION: writes what mkosi is to build, of a list "NAME=VERSION" a line.
mkosi_definition() {
	rm -rf "$mkosi/mkosi.conf" "$mkosi/mkosi.repart"
	mkdir -p "$mkosi/mkosi.sandbox/etc/apt/sources.list.d" "$mkosi/cache" "$mkosi/work" "$mkosi/output"
	mkosi_sources >"$mkosi/mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources"
	mkosi_partitions "$2"
	cp "$keys/db.key" "$keys/db.crt" "$mkosi/"
	cat >"$mkosi/mkosi.conf" <<-END
		[Distribution]
		Distribution=debian
		Release=trixie
		Mirror=$(apt_mirror)

		[Output]
		Format=disk
		ImageId=bench
		OutputDirectory=output

		[Build]
		PackageCacheDirectory=cache
		BuildSources=
		WorkspaceDirectory=work
		SandboxTrees=mkosi.sandbox

		[Content]
		Bootable=yes
		Bootloader=systemd-boot
		KernelCommandLine=$command_line
		SourceDateEpoch=1700000000
		Packages=systemd-boot
		$(sed 's/^/    /' "$1")

		[Validation]
		SecureBoot=yes
		SecureBootAutoEnroll=no
		SecureBootKey=db.key
		SecureBootCertificate=db.crt
		SignExpectedPcr=no
		Verity=yes
		VerityKey=db.key
		VerityCertificate=db.crt
	END
}

mkosi_run() { # OPTION…
	in_tools mkosi --directory /bench/mkosi --force "$@"
}

# Fetches what is missing, by building once.
mkosi_prepare() {
	mkosi=$out/mkosi
	mkosi_definition "$out/packages" none
	if ! cmp -s "$out/packages" "$mkosi/fetched"; then
		mkosi_run build >"$out/log/mkosi-fetch" 2>&1 || { tail -n 20 "$out/log/mkosi-fetch" >&2; return 1; }
		cp "$out/packages" "$mkosi/fetched"
		say "fetched mkosi's packages"
	fi
}

mkosi_check() { [ -s "$mkosi/output/bench.raw" ] && sfdisk --json "$mkosi/output/bench.raw" | jq -e '.partitiontable.partitions | length == 4' >/dev/null; }

mkosi_measure() { # COMPRESSION
	local inside
	mkosi_definition "$out/packages" "$1"
	inside_tools mkosi --directory /bench/mkosi --force --cache-only=always build
	check=mkosi_check measure "mkosi-$1" "${inside[@]}"
}
