/** How far an audit has got. Only grows. */
export interface Progress {
  stage: "manifests" | "objects" | "dead letters" | "ranges" | "hour markers";
  manifests: number;
  /** Of those that manifests list. */
  objects: number;
  /** Read for checksums and rows. */
  readByteLength: number;
}

export function newProgress(): Progress {
  return { stage: "manifests", manifests: 0, objects: 0, readByteLength: 0 };
}
