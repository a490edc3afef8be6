/**
 * What others have written of the program: their notices, and a bill of materials (CycloneDX 1.6,
 * https://cyclonedx.org/docs/1.6/json/). Found out from the bundle, which names the file that each piece of code is from:
 * the lock file knows packages of which nothing is used.
 */
import { join, relative, sep } from "node:path";
import { runDeno } from "./command.ts";

/** Files of a package that say what its users must be told. */
const NOTICE_FILES = /^(licen[sc]e|notice|copying)/i;

/** An npm package that code of the program is from. */
export interface ThirdParty {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** Its licence and notice, whole; empty when it comes without. */
  readonly notices: readonly string[];
}

/** What the lock file says of a package, by "name@version". */
interface LockedPackage {
  readonly integrity: string;
  readonly dependencies?: readonly string[];
}

/** The program that these documents are about. */
export interface Product {
  readonly version: string;
  /** Of the Deno runtime in it. */
  readonly denoVersion: string;
}

/** Folders of packages below `npmCache` that the code of a bundle is from, sorted; paths in its comments begin at `root`. */
export function packageFolders(code: string, root: string, npmCache: string): string[] {
  const folders = new Set<string>();
  for (const [, path] of code.matchAll(/^\s*\/\/ (\S+)$/gm)) {
    const inCache = relative(npmCache, join(root, path)).split(sep);
    if (inCache[0] === ".." || inCache.length < 4) continue;
    folders.add(inCache.slice(0, inCache[1].startsWith("@") ? 4 : 3).join("/")); // host, scope, name, version
  }
  return [...folders].sort();
}

async function describePackage(folder: string): Promise<ThirdParty> {
  const { name, version, license } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
  if (typeof license !== "string") throw new Error(`${name}@${version} doesn't say under which licence it is`);
  const files = Array.from(Deno.readDirSync(folder), (entry) => entry.name).filter((file) => NOTICE_FILES.test(file));
  const notices = await Promise.all(files.sort().map((file) => Deno.readTextFile(join(folder, file))));
  return { name, version, license, notices: notices.map((text) => text.trim()) };
}

/**
 * The packages that the code of a bundle is from, by name.
 *
 * @throws Error when one doesn't say under which licence it is.
 */
export async function thirdPartiesOf(code: string, root: string): Promise<ThirdParty[]> {
  const { npmCache } = JSON.parse(await runDeno(["info", "--json"], { cwd: root, timeoutMs: 60_000 }));
  const folders = packageFolders(code, root, npmCache);
  return await Promise.all(folders.map((folder) => describePackage(join(npmCache, folder))));
}

/** The notices as one text; packages with the same one stand above it together. */
export function noticesText(parties: readonly ThirdParty[], { denoVersion }: Product): string {
  const byText = new Map<string, string[]>([[
    "See https://github.com/denoland/deno for its licence and those of what it contains.",
    [`Deno ${denoVersion} (MIT)`],
  ]]);
  for (const { name, version, license, notices } of parties) {
    const text = notices.join("\n\n") || `It comes without a text; its licence is ${license}.`;
    const titles = byText.get(text) ?? [];
    byText.set(text, [...titles, `${name} ${version} (${license})`]);
  }
  const parts = Array.from(byText, ([text, titles]) => `${titles.join("\n")}\n\n${text}\n`);
  return `This program contains software of others:\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`;
}

function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** SHA-512 in hex, of an integrity ("sha512-" and base64). */
function sha512Of(integrity: string): string {
  return Uint8Array.fromBase64(integrity.slice("sha512-".length)).toHex();
}

/** The bill of materials, without a date: the same for the same program. */
export function bomOf(
  parties: readonly ThirdParty[],
  locked: Readonly<Record<string, LockedPackage>>,
  { version, denoVersion }: Product,
): object {
  const main = { type: "application", "bom-ref": "collector", name: "collector", version };
  const deno = {
    type: "platform",
    "bom-ref": "deno",
    name: "deno",
    version: denoVersion,
    purl: `pkg:github/denoland/deno@v${denoVersion}`,
    licenses: [{ license: { id: "MIT" } }],
  };
  const known = new Map(parties.map(({ name, version }) => [name, purlOf(name, version)]));
  const libraries = parties.map(({ name, version, license }) => {
    const [group, bare] = name.startsWith("@") ? name.split("/") : [undefined, name];
    const purl = purlOf(name, version), hash = sha512Of(locked[`${name}@${version}`].integrity);
    return {
      type: "library",
      "bom-ref": purl,
      ...(group === undefined ? {} : { group }),
      name: bare,
      version,
      purl,
      hashes: [{ alg: "SHA-512", content: hash }],
      licenses: [{ expression: license }],
    };
  });
  const dependsOn = ({ name, version }: ThirdParty) => {
    const names = (locked[`${name}@${version}`].dependencies ?? []).map((key) => key.replace(/(?<=.)@.*$/, ""));
    return names.flatMap((name) => known.get(name) ?? []);
  };
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: main },
    components: [deno, ...libraries],
    dependencies: [
      { ref: "collector", dependsOn: ["deno", ...known.values()] },
      ...parties.map((party) => ({ ref: purlOf(party.name, party.version), dependsOn: dependsOn(party) })),
    ],
  };
}
