/**
 * What has been checked is of another type than what has not.
 *
 * @module
 */
import type { Brand } from "@fulcrum/codec/brand"

/** Made only by the `verify…` functions of this package. Nothing else is stored or applied. */
export type Verified<T> = Brand<T, "Verified">
