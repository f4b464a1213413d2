/**
 * One visit to a relay: a fresh transport key, a connection of its own, and away again.
 *
 * Source: DESIGN, "Keys" (transport keys are throw-away; each relationship dials for itself).
 *
 * @module
 */
