/**
 * All customers of a vendor that are open, by their ids.
 *
 * @module
 */
import type { VendorCustomer } from "./vendor-customer.ts"
import { VendorError } from "./vendor-error.ts"

/** Letters of an id, at least, that stand for a customer. */
const PREFIX_MIN = 4

export class VendorCustomers {
  readonly #byId = new Map<string, VendorCustomer>()

  get all(): readonly VendorCustomer[] {
    return [...this.#byId.values()]
  }

  get(id: string): VendorCustomer | undefined {
    return this.#byId.get(id)
  }

  add(customer: VendorCustomer): void {
    this.#byId.set(customer.id, customer)
  }

  /**
   * By id, a unique prefix of it, or the note of the invitation.
   *
   * @throws {VendorError} `CUSTOMER_UNKNOWN`, `CUSTOMER_AMBIGUOUS`.
   */
  find(wanted: string): VendorCustomer {
    const exact = this.#byId.get(wanted)
    if (exact !== undefined) return exact
    const [only, another] = this.all.filter(
      ({ id, record }) =>
        record.note === wanted ||
        (wanted.length >= PREFIX_MIN && id.startsWith(wanted.toLowerCase())),
    )
    if (only === undefined) throw new VendorError("CUSTOMER_UNKNOWN", "no customer of that id")
    if (another !== undefined) {
      throw new VendorError("CUSTOMER_AMBIGUOUS", "several customers fit")
    }
    return only
  }
}
