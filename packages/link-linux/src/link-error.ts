/** Something the link needs of the machine is missing; `message` says what, `fix` what to do about it. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}
