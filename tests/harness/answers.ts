/**
 * What the programs' `--json` answers hold, as far as the scripts look.
 *
 * @module
 */

export interface Board {
  readonly move: string
  readonly lines: readonly BoardLine[]
  readonly done: boolean
}

export interface BoardLine {
  readonly relationship: string
  readonly vendor: string
  readonly paths: readonly string[]
  readonly state: string
  readonly steps: readonly { readonly state: string; readonly signedBy?: string }[]
  readonly code?: string
}

export interface Status {
  readonly device: string
  readonly documents: number
  readonly entries: number
  readonly vector: string
  readonly relays: readonly {
    readonly address: string
    readonly state: string
    readonly pending: number
  }[]
  readonly held: readonly string[]
  readonly quarantined: number
  readonly forks: number
}

export interface Relationship {
  readonly id: string
  readonly vendor: string
  readonly state: string
  readonly terms: string
  readonly fields: readonly string[]
}

export interface ShownRelationship extends Relationship {
  readonly did: string
  readonly disclosures: readonly {
    readonly path: string
    readonly value?: unknown
    readonly state: string
  }[]
}

export interface MovePreview {
  readonly gets: readonly { readonly vendor: string; readonly paths: readonly string[] }[]
  readonly unaffected: readonly { readonly vendor: string }[]
}

export interface WhoHas {
  readonly vendor: string
  readonly path: string
  readonly value?: unknown
  readonly evidence?: string
}

export interface Edit {
  readonly changed: readonly string[]
  readonly reaches: readonly { readonly vendor: string; readonly path: string }[]
}

export interface Imported {
  readonly files: readonly {
    readonly cards: number
    readonly fields: readonly { readonly path: string; readonly value?: unknown }[]
  }[]
}

export interface Customers {
  readonly customers: readonly {
    readonly id: string
    readonly did: string
    readonly state: string
  }[]
}

export interface Disclosures {
  readonly disclosures: readonly {
    readonly customer: string
    readonly path: string
    readonly state: string
    readonly value?: unknown
  }[]
}

/** A webhook's `data`. */
export interface ShareChange {
  readonly relationship: string
  readonly changes?: readonly { readonly path: string; readonly value?: unknown }[]
  readonly move?: unknown
}
