import { ContainerModule } from 'inversify';
import { chooseProvider } from './crypto/choose-provider.ts';
import { Sad } from './sad.ts';
import { CryptoProviderToken, SadToken } from './tokens.ts';

/** One security association database a process, on the fastest provider that passes its known-answer test. */
export const ipsecModule = new ContainerModule(({ bind }) => {
  bind(CryptoProviderToken)
    .toResolvedValue(() => chooseProvider().provider)
    .inSingletonScope();
  bind(SadToken)
    .toResolvedValue((provider) => new Sad(provider), [CryptoProviderToken])
    .inSingletonScope();
});
