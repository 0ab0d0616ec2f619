import { contentFilterDescriptor, contentFilterModule } from '@example/ngisec-stage-content-filter';
import { insertStage } from '@ngisec/core';
import { application as host, hostSchema } from '@ngisec/host';
import { defineApplication } from '@ngisec/runtime';
import { z } from 'zod';

/** A host's configuration file with one more key: what nothing that reaches the stack may contain. */
const schema = hostSchema.extend({ words: z.array(z.string().min(1)).min(1) });

/**
 * The end host with one stage more, where packets are verified, opened and about to be delivered:
 *
 *     stack <- content filter <- flows <- open <- inbound policy <- wire
 */
export const application = defineApplication<z.output<typeof schema>>({
  ...host,
  name: 'filtering-host',
  schema,
  modules: (configuration) => [...host.modules(configuration), contentFilterModule],
  graph: (configuration) =>
    insertStage(
      host.graph(configuration),
      'flows.deliver -> device.inbound',
      'content-filter',
      contentFilterDescriptor,
      { words: configuration.words },
    ),
});
