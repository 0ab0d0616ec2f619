import { Subject, type OperatorFunction } from 'rxjs';
import type { Batch } from './batch.ts';
import type { StageDescriptor } from './descriptor.ts';
import { stageFactory, type StageFactory } from './stage.ts';

/**
 * Lets any RxJS operator chain over batches stand as a stage with one input and one output. Packets in a batch the
 * chain emits go to the output; a chain that leaves packets out must end them at a drop point itself.
 */
export function operatorStage<
  D extends StageDescriptor & { inputs: { in: unknown }; outputs: { out: unknown } },
>(descriptor: D, operator: OperatorFunction<Batch, Batch>): StageFactory {
  return stageFactory<StageDescriptor>(descriptor, ({ outputs }) => {
    const source = new Subject<Batch>();
    const subscription = source.pipe(operator).subscribe((batch) => {
      for (let index = 0; index < batch.length; index += 1) outputs['out']!.push(batch.packets[index]!);
    });
    return { inputs: { in: (batch) => source.next(batch) }, stop: () => subscription.unsubscribe() };
  });
}
