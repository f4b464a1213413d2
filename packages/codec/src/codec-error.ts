/**
 * The one error of this package. `code` is stable; the message never carries
 * a value, since what is decoded may be somebody's data.
 *
 * @module
 */

export type CodecErrorCode =
  | "HEX_MALFORMED"
  | "BASE64URL_MALFORMED"
  | "UTF8_MALFORMED"
  | "UINT64_MALFORMED"
  /** The bytes end before what they announce. */
  | "CBOR_TRUNCATED"
  /** Bytes are left over. */
  | "CBOR_TRAILING"
  /** More bytes than `bytesMax`. */
  | "CBOR_TOO_LARGE"
  | "CBOR_TOO_DEEP"
  /** More values than `CBOR_ITEMS_MAX`. */
  | "CBOR_TOO_MANY"
  /** Valid CBOR, but not the one way to write it. */
  | "CBOR_NOT_CANONICAL"
  /** Tags, undefined, other simple values, indefinite lengths, NaN, infinities. */
  | "CBOR_UNSUPPORTED"
  | "CBOR_DUPLICATE_KEY"
  /** Reserved additional information. */
  | "CBOR_MALFORMED"
  /** Text that is not UTF-8. */
  | "CBOR_TEXT"
  /** Of another type than the format says. */
  | "SCHEMA_TYPE"
  /** A number outside its bounds. */
  | "SCHEMA_RANGE"
  /** Bytes, text, array or map of a length that the format does not allow. */
  | "SCHEMA_LENGTH"
  /** None of the values that the format lists. */
  | "SCHEMA_VALUE"
  /** A variant's tag that the format does not know. */
  | "SCHEMA_TAG"
  | "JSON_SYNTAX"
  | "JSON_TOO_LARGE"
  | "JSON_TOO_DEEP"
  | "JSON_TOO_MANY"
  | "JSON_DUPLICATE_KEY"
  /** `__proto__`, `constructor` or `prototype`. */
  | "JSON_FORBIDDEN_KEY"
  /** Not a JSON value: undefined, a function, an instance of a class, a hole, a cycle. */
  | "JSON_TYPE"
  /** Not finite. */
  | "JSON_NUMBER"
  /** A lone surrogate. */
  | "JSON_TEXT"

/** Bytes, text or a value that is not of the form asked for. */
export class CodecError extends Error {
  override readonly name = "CodecError"
  readonly code: CodecErrorCode
  /** Where in the format the fault lies, such as `header.rows[3]`; empty at the top. */
  readonly path: string
  readonly #detail: string

  constructor(
    code: CodecErrorCode,
    detail: string,
    options?: ErrorOptions & { readonly path?: string },
  ) {
    const path = options?.path ?? ""
    super(path === "" ? detail : `${path}: ${detail}`, options)
    this.code = code
    this.path = path
    this.#detail = detail
  }

  /** The same error, one step further out. */
  within(outer: string): CodecError {
    const joint = this.path === "" || this.path.startsWith("[") || outer === "" ? "" : "."
    return new CodecError(this.code, this.#detail, {
      cause: this.cause,
      path: `${outer}${joint}${this.path}`,
    })
  }
}
