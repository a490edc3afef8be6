import type { ConfigProblem } from "../runtime/errors.ts";
import type { ConfigOf, Option, OptionSpecs } from "./option.ts";

/** Options that are read together, with what none of them can say alone. */
export interface OptionGroup<Config> {
  /** One or two sentences for the docs. */
  readonly doc: string;
  readonly options: OptionSpecs<Config>;
  /**
   * Looks at several values together. Called several times where some are wrong by themselves, with values that these might
   * have had: what it says each time counts. Origins are filled in by the caller.
   */
  validate?(config: Config): readonly ConfigProblem[];
}

/** The options of one part of the collector that is always there. */
export interface Section<Config> extends OptionGroup<Config> {
  /** Heading in the docs. */
  readonly title: string;
}

/** Everything that the config can be about: what is always there, and the components that it selects by their names. */
export interface Registry<Sections, Source = OptionGroup<object>, Target = OptionGroup<object>> {
  readonly sections: Sections;
  readonly sources: Readonly<Record<string, Source>>;
  readonly targets: Readonly<Record<string, Target>>;
}

/** Sections of any configs. */
export type AnySections = Readonly<Record<string, Section<object>>>;

/** The typed values of each section. */
export type SectionConfigs<Sections> = {
  readonly [Name in keyof Sections]: Sections[Name] extends { readonly options: infer Specs } ? ConfigOf<Specs> : never;
};

/** A component that the config names. */
export interface Selected<Component> {
  /** As in `stream.source` or `target`. */
  readonly name: string;
  readonly component: Component;
  /** The component's own options, typed as it wants them. */
  readonly config: object;
}

/** The options of a component of any config, by field. */
export function optionsOf(component: { readonly options: object }): Readonly<Record<string, Option<unknown>>> {
  return component.options as Readonly<Record<string, Option<unknown>>>;
}
