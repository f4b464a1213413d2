/**
 * Brands: types that are one another's equal at run time and strangers to the
 * compiler, so that a `PeerId` never passes for a `SpaceId`.
 *
 * @module
 */

declare const brand: unique symbol

/** `T`, told apart from every other `T` by its name. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** What a branded type is underneath. */
export type Unbranded<B> = B extends Uint8Array
  ? Uint8Array
  : B extends string
    ? string
    : B extends number
      ? number
      : never
