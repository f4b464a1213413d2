/**
 * What the scenarios are called: for a program that has others run them, and loads none.
 *
 * @module
 */
export const SCENARIO_NAMES = ["apart", "bare", "basic", "members", "pair"] as const

export type ScenarioName = (typeof SCENARIO_NAMES)[number]
