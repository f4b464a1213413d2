/** @module */

export const ATTACHMENT_NAME = "attachment.bin"
