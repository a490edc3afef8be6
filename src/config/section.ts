import type { ConfigProblem } from "../runtime/errors.ts";
import type { RangeSource } from "../source/range_source.ts";
import type {
  CheckResult,
  Position,
  Source,
  SourceComponent,
  SourceContext,
  SourcePart,
  SplitId,
} from "../source/source.ts";
import type { Target, TargetComponent, TargetContext } from "../target/target.ts";
import type { ConfigOf, Option, OptionSpecs } from "./option.ts";

/** The options of one part of the collector that is always there. */
export interface Section<Config> {
  /** Heading in the docs. */
  readonly title: string;
  /** One or two sentences below it. */
  readonly doc: string;
  readonly options: OptionSpecs<Config>;
  /** Looks at several values together. Only called when each value is right by itself. Origins are filled in by the caller. */
  validate?(config: Config): readonly ConfigProblem[];
}

/** Keys of a component that this build doesn't have: they are known, and selecting it says what to do. */
export interface PlannedComponent {
  readonly doc: string;
  readonly options: Readonly<Record<string, Option<unknown>>>;
}

/** Everything that the config can be about. */
export interface Registry<Sections> {
  readonly sections: Sections;
  readonly sources: Readonly<Record<string, SourceComponent<object>>>;
  readonly targets: Readonly<Record<string, TargetComponent<object>>>;
  readonly plannedSources: Readonly<Record<string, PlannedComponent>>;
}

/** Sections of any configs. */
export type AnySections = Readonly<Record<string, Section<object>>>;

/** The typed values of each section. */
export type SectionConfigs<Sections> = {
  readonly [Name in keyof Sections]: Sections[Name] extends { readonly options: infer Specs } ? ConfigOf<Specs> : never;
};

/** The source that the config names, with its own options. */
export interface SelectedSource {
  /** As in `stream.source`. */
  readonly name: string;
  /** The component's typed config. */
  readonly config: object;
  create(context: SourceContext): Source;
  /** Null when one loop reads the whole source. */
  parts(): readonly SourcePart[] | null;
  /** Absent when nothing of the source can be read again. */
  ranges?(context: SourceContext): RangeSource;
  /** Absent when nobody else can know how far the live collector is. */
  committed?(context: SourceContext, signal: AbortSignal): Promise<ReadonlyMap<SplitId, Position>>;
  check(context: SourceContext, signal: AbortSignal): Promise<CheckResult[]>;
}

/** The target that the config names, with its own options. */
export interface SelectedTarget {
  /** As in `target`. */
  readonly name: string;
  /** The component's typed config. */
  readonly config: object;
  create(context: TargetContext): Target;
  check(context: TargetContext, signal: AbortSignal): Promise<CheckResult[]>;
}

/** The options of a component of any config, by field. */
export function optionsOf(component: { readonly options: object }): Readonly<Record<string, Option<unknown>>> {
  return component.options as Readonly<Record<string, Option<unknown>>>;
}
