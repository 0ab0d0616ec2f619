import { Subject, type OperatorFunction, type Subscription } from 'rxjs';
import type { Batch } from './batch.ts';
import type { StageDescriptor } from './descriptor.ts';
import { stageFactory, type StageFactory } from './stage.ts';

/**
 * Lets any RxJS operator chain over batches stand as a stage with one input and one output. Packets in a batch the
 * chain emits go to the output; a chain that leaves packets out must end them at a drop point itself.
 * An error in the chain loses the batch, as in any stage.
 */
export function operatorStage<
  D extends StageDescriptor & { inputs: { in: unknown }; outputs: { out: unknown } },
>(descriptor: D, operator: OperatorFunction<Batch, Batch>): StageFactory {
  return stageFactory<StageDescriptor>(descriptor, ({ outputs }) => {
    const source = new Subject<Batch>();
    let ending: unknown;
    const open = (): Subscription =>
      source.pipe(operator).subscribe({
        next: (batch) => {
          for (let index = 0; index < batch.length; index += 1) outputs['out']!.push(batch.packets[index]!);
        },
        error: (error: unknown) => (ending = error),
        complete: () => (ending = new Error('the operator chain completed')),
      });
    let subscription = open();
    const receive = (batch: Batch): void => {
      source.next(batch);
      if (!subscription.closed) return;
      // A chain that has ended would swallow every later batch: the next one gets a new chain.
      subscription = open();
      throw ending;
    };
    return { inputs: { in: receive }, stop: () => subscription.unsubscribe() };
  });
}
