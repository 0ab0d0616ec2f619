/**
 * Where a stage's findings go. An RxJS `Subject` is one, so that an application can offer them as an observable. Called
 * while packets wait: it must neither block nor throw.
 */
export interface RecordSink<T> {
  next(record: T): void;
}

export const discardRecords: RecordSink<unknown> = { next: () => undefined };
