// SPDX-License-Identifier: LGPL-2.1-or-later
// Judges the documents of a build by what others have written of their formats.
//
//   node judge.mjs spdx FILE | cyclonedx FILE
//
// CycloneDX by its JSON Schema (1.6, strict formats). SPDX 2.3 clause by clause, since nobody publishes its schema on npm. In
// both, licences by SPDX's own list and grammar, and package URLs by the reference parser. Prints what is wrong, one a line, and
// then fails.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { PackageURL } from "packageurl-js";

const require = createRequire(import.meta.url);
const parseExpression = require("spdx-expression-parse");
const faults = [];
const fault = (where, what) => faults.push(`${where}: ${what}`);
const sorted = list => [...list].sort();

function expect(where, condition, what) {
	if (!condition) fault(where, what);
}

// A package URL and the name and version that it is to say.
function checkPurl(where, text, name, version) {
	try {
		const purl = PackageURL.fromString(text);
		expect(where, purl.type === "deb" && purl.name === name && purl.version === version, `${text}: not of ${name} ${version}`);
		expect(where, purl.qualifiers.arch && purl.qualifiers.distro, `${text}: no architecture or distribution`);
		expect(where, !/[^A-Za-z0-9.~:@/?&=%_-]/.test(text), `${text}: not encoded`);
	} catch (error) {
		fault(where, `${text}: ${error.message}`);
	}
}

// All identifiers of an expression.
function checkExpression(where, text) {
	const found = [];
	const walk = node => {
		if (node.license) found.push(node.license);
		else [node.left, node.right].forEach(walk);
	};
	try {
		walk(parseExpression(text));
	} catch (error) {
		fault(where, `"${text}": ${error.message}`);
	}
	return found;
}

function checkUnique(where, list) {
	const seen = new Set();
	for (const item of list) {
		expect(where, !seen.has(item), `${item} is there twice`);
		seen.add(item);
	}
	return seen;
}

function checkCycloneDX(bom) {
	const Ajv = require("ajv").default, addFormats = require("ajv-formats").default;
	const folder = join(dirname(require.resolve("@cyclonedx/cyclonedx-library/package.json")), "res/schema");
	const schema = name => JSON.parse(readFileSync(join(folder, name)));
	const ajv = new Ajv({ strict: false, allErrors: true });
	addFormats(ajv);
	require("ajv-formats-draft2019")(ajv);
	for (const file of ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json", "cryptography-defs.SNAPSHOT.schema.json"])
		ajv.addSchema(schema(file), `http://cyclonedx.org/schema/${file}`);
	const validate = ajv.compile(schema("bom-1.6.SNAPSHOT.schema.json"));
	if (!validate(bom)) validate.errors.slice(0, 20).forEach(error => fault(error.instancePath, error.message));

	const refs = checkUnique("bom-ref", [bom.metadata.component, ...bom.components].map(one => one["bom-ref"]));
	for (const one of bom.components) {
		if (one.purl) checkPurl(one["bom-ref"], one.purl, one.name, one.version);
		for (const ancestor of one.pedigree?.ancestors ?? []) checkPurl(one["bom-ref"], ancestor.purl, ancestor.name, ancestor.version);
		for (const license of one.licenses ?? []) checkExpression(one["bom-ref"], license.expression);
	}
	checkUnique("dependencies", bom.dependencies.map(one => one.ref));
	for (const one of bom.dependencies)
		for (const ref of [one.ref, ...(one.dependsOn ?? [])]) expect("dependencies", refs.has(ref), `${ref} is no component`);
	checkUnique("vulnerabilities", bom.vulnerabilities.map(one => one.id));
	for (const one of bom.vulnerabilities) {
		expect(one.id, one.affects.length > 0, "affects nothing");
		for (const affected of one.affects) expect(one.id, refs.has(affected.ref), `${affected.ref} is no component`);
	}
}

const ID = /^SPDXRef-[A-Za-z0-9.-]+$/;
const LICENSE_REF = /^LicenseRef-[A-Za-z0-9.-]+$/;
const HASHES = { SHA1: 40, SHA256: 64 };
const RELATIONS = new Set(["DESCRIBES", "CONTAINS", "DEPENDS_ON", "GENERATED_FROM", "BUILD_TOOL_OF", "DESCENDANT_OF"]);
const PURPOSES = new Set(["APPLICATION", "FRAMEWORK", "LIBRARY", "CONTAINER", "OPERATING-SYSTEM", "DEVICE", "FIRMWARE", "SOURCE",
	"ARCHIVE", "FILE", "INSTALL", "OTHER"]);
// What a package may have, and of which type (clause 7 and its JSON names).
const PACKAGE = { SPDXID: "string", name: "string", versionInfo: "string", packageFileName: "string", supplier: "string",
	downloadLocation: "string", filesAnalyzed: "boolean", packageVerificationCode: "object", checksums: "object",
	homepage: "string", sourceInfo: "string", licenseConcluded: "string", licenseDeclared: "string", licenseComments: "string",
	copyrightText: "string", summary: "string", externalRefs: "object", primaryPackagePurpose: "string" };

function checkMembers(where, object, types, required) {
	for (const [name, value] of Object.entries(object)) expect(where, typeof value === types[name], `${name} is not as it should be`);
	for (const name of required) expect(where, name in object, `${name} is missing`);
}

function checkChecksums(where, list, needed) {
	for (const one of list)
		expect(where, one.checksumValue.length === HASHES[one.algorithm] && /^[0-9a-f]+$/.test(one.checksumValue),
			`${one.algorithm} ${one.checksumValue}`);
	for (const name of needed) expect(where, list.some(one => one.algorithm === name), `no ${name}`);
}

function checkReference(where, one, owner) {
	const known = one.referenceCategory === "PACKAGE-MANAGER" && one.referenceType === "purl" ||
		one.referenceCategory === "SECURITY" && one.referenceType === "fix";
	expect(where, known, `reference ${one.referenceCategory} ${one.referenceType}`);
	if (one.referenceType === "purl") checkPurl(where, one.referenceLocator, owner.name, owner.versionInfo);
	else expect(where, /^https:\/\/[^ ]+$/.test(one.referenceLocator), one.referenceLocator);
}

function checkPackage(one, licenses) {
	const where = one.SPDXID;
	checkMembers(where, one, PACKAGE, ["SPDXID", "name", "downloadLocation", "filesAnalyzed"]);
	for (const name of ["licenseConcluded", "licenseDeclared"])
		if (one[name] !== "NOASSERTION")
			for (const id of checkExpression(where, one[name]))
				expect(where, !id.startsWith("LicenseRef-") || licenses.has(id), `${id} is not in the document`);
	expect(where, !one.supplier || /^(Person|Organization): .+$/.test(one.supplier), `supplier ${one.supplier}`);
	expect(where, !one.primaryPackagePurpose || PURPOSES.has(one.primaryPackagePurpose), one.primaryPackagePurpose);
	expect(where, one.downloadLocation === "NOASSERTION", one.downloadLocation);
	checkChecksums(where, one.checksums ?? [], []);
	for (const reference of one.externalRefs ?? []) checkReference(where, reference, one);
}

// 7.9, which files of a package have to be there for, and only then.
function checkCode(one, files) {
	const digests = sorted(files.map(file => file.checksums.find(sum => sum.algorithm === "SHA1").checksumValue));
	const code = createHash("sha1").update(digests.join("")).digest("hex");
	if (one.filesAnalyzed) expect(one.SPDXID, one.packageVerificationCode.packageVerificationCodeValue === code, "verification code");
	else expect(one.SPDXID, files.length === 0 && !one.packageVerificationCode, "has files that nobody has analysed");
}

function checkSPDX(document) {
	expect("document", document.spdxVersion === "SPDX-2.3", document.spdxVersion);
	expect("document", document.dataLicense === "CC0-1.0", document.dataLicense);
	expect("document", document.SPDXID === "SPDXRef-DOCUMENT", document.SPDXID);
	expect("document", !document.documentNamespace.includes("#") && new URL(document.documentNamespace), "namespace");
	expect("document", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(document.creationInfo.created), document.creationInfo.created);
	for (const creator of document.creationInfo.creators) expect("document", /^Tool: .+-.+$/.test(creator), creator);

	const licenses = checkUnique("licences", document.hasExtractedLicensingInfos.map(one => one.licenseId));
	for (const one of document.hasExtractedLicensingInfos)
		expect(one.licenseId, LICENSE_REF.test(one.licenseId) && one.name && one.extractedText.trim(), "no licence");

	const elements = new Map([["SPDXRef-DOCUMENT", document]]);
	for (const one of [...document.packages, ...document.files]) {
		expect(one.SPDXID, ID.test(one.SPDXID) && !elements.has(one.SPDXID), "no identifier, or one that is there twice");
		elements.set(one.SPDXID, one);
	}
	checkUnique("files", document.files.map(one => one.fileName));
	for (const one of document.files) {
		expect(one.SPDXID, one.fileName.startsWith("./"), one.fileName);
		checkChecksums(one.SPDXID, one.checksums, ["SHA1", "SHA256"]);
	}
	document.packages.forEach(one => checkPackage(one, licenses));

	const contents = new Map(), owners = new Map();
	checkUnique("relationships", document.relationships.map(one => Object.values(one).join(" ")));
	for (const one of document.relationships) {
		const [from, to] = [elements.get(one.spdxElementId), elements.get(one.relatedSpdxElement)];
		expect("relationships", from && to && RELATIONS.has(one.relationshipType), JSON.stringify(one));
		if (one.relationshipType !== "CONTAINS" || !to?.fileName) continue;
		contents.set(from.SPDXID, [...(contents.get(from.SPDXID) ?? []), to]);
		owners.set(to.SPDXID, (owners.get(to.SPDXID) ?? 0) + 1);
	}
	for (const one of document.files) expect(one.fileName, owners.get(one.SPDXID) === 1, "is not in one package");
	document.packages.forEach(one => checkCode(one, contents.get(one.SPDXID) ?? []));
	expect("document", document.relationships.some(one => one.relationshipType === "DESCRIBES"), "describes nothing");
}

const [kind, path] = process.argv.slice(2);
({ spdx: checkSPDX, cyclonedx: checkCycloneDX })[kind](JSON.parse(readFileSync(path)));
faults.slice(0, 40).forEach(text => console.log(text));
process.exitCode = faults.length > 0 ? 1 : 0;
