import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type {
  ApiAccessRequest,
  ApiKey,
  RuntimeConfig,
  Tenant,
  TestNumber,
  TwilioCredential,
} from '../../entities/index.js';
import type { AccessRequestStatus } from '../../services/access-requests.js';
import type { CreatedApiKey } from '../../services/api-keys.js';
import { byCreation, PageArgs, toConnection, type Connection } from '../common/connection.js';
import type { GraphqlContext } from '../context.js';
import {
  CreateApiKeyInput,
  CreateTenantInput,
  ImportBearerTokenInput,
  RuntimeConfigInput,
  TestNumberInput,
  TwilioCredentialInput,
  UpdateTenantInput,
} from './tenant.input.js';
import {
  ApiAccessRequestConnection,
  ApiAccessRequestType,
  ApiKeyConnection,
  ApiKeyType,
  CreateApiKeyPayload,
  RuntimeConfigType,
  TenantConnection,
  TenantType,
  TestNumberType,
  TwilioCredentialType,
} from './tenant.type.js';

/** A config as it stands, without news of a change. */
const asItStands = (config: RuntimeConfig) => ({ ...config, warnings: [], webhookSecret: null });

@Resolver(() => TenantType)
export class TenantResolver {
  @Query(() => TenantType, { nullable: true })
  tenant(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<Tenant | null> {
    return services.tenants.find(viewer, id);
  }

  @Query(() => TenantConnection)
  async tenants(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<Tenant>> {
    return toConnection(await services.tenants.page(viewer, page), page, byCreation);
  }

  @Mutation(() => TenantType)
  createTenant(
    @Arg('input', () => CreateTenantInput) input: CreateTenantInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Tenant> {
    return services.tenants.create(viewer, input);
  }

  @Mutation(() => TenantType)
  updateTenant(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => UpdateTenantInput) input: UpdateTenantInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Tenant> {
    return services.tenants.update(viewer, id, input);
  }

  @Mutation(() => TenantType, {
    description: 'Its API answers 403, its calls get the fallback, its subscriptions end.',
  })
  suspendTenant(
    @Arg('id', () => ID) id: string,
    @Arg('reason', () => String, { nullable: true }) reason: string | null,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Tenant> {
    return services.tenants.suspend(viewer, id, reason);
  }

  @Mutation(() => TenantType)
  resumeTenant(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<Tenant> {
    return services.tenants.resume(viewer, id);
  }

  @FieldResolver(() => RuntimeConfigType)
  async runtimeConfig(@Root() tenant: Tenant, @Ctx() { viewer, services }: GraphqlContext) {
    return asItStands(await services.runtimeConfigs.get(viewer, tenant.id));
  }

  @FieldResolver(() => ApiKeyConnection, { description: 'For admins.' })
  async apiKeys(
    @Root() tenant: Tenant,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<ApiKey>> {
    return toConnection(await services.apiKeys.page(viewer, tenant.id, page), page, byCreation);
  }

  @FieldResolver(() => [TwilioCredentialType], { description: 'For admins.' })
  twilioCredentials(@Root() tenant: Tenant, @Ctx() { viewer, services }: GraphqlContext): Promise<TwilioCredential[]> {
    return services.twilioCredentials.list(viewer, tenant.id);
  }

  @FieldResolver(() => [TestNumberType])
  testNumbers(@Root() tenant: Tenant, @Ctx() { viewer, services }: GraphqlContext): Promise<TestNumber[]> {
    return services.testNumbers.list(viewer, tenant.id);
  }
}

@Resolver()
export class TenantSettingsResolver {
  @Query(() => RuntimeConfigType)
  async runtimeConfig(@Arg('tenantId', () => ID) tenantId: string, @Ctx() { viewer, services }: GraphqlContext) {
    return asItStands(await services.runtimeConfigs.get(viewer, tenantId));
  }

  @Mutation(() => RuntimeConfigType)
  async setRuntimeConfig(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('input', () => RuntimeConfigInput) input: RuntimeConfigInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ) {
    const { config, ...news } = await services.runtimeConfigs.set(viewer, tenantId, input);
    return { ...config, ...news };
  }

  @Query(() => ApiKeyConnection)
  async apiKeys(
    @Arg('tenantId', () => ID) tenantId: string,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<ApiKey>> {
    return toConnection(await services.apiKeys.page(viewer, tenantId, page), page, byCreation);
  }

  @Mutation(() => CreateApiKeyPayload)
  createApiKey(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('input', () => CreateApiKeyInput) input: CreateApiKeyInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<CreatedApiKey> {
    return services.apiKeys.create(viewer, tenantId, input);
  }

  @Mutation(() => ApiKeyType, { description: 'Takes over a raw bearer token that old clients send.' })
  importBearerToken(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('input', () => ImportBearerTokenInput) input: ImportBearerTokenInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<ApiKey> {
    return services.apiKeys.importLegacy(viewer, tenantId, input);
  }

  @Mutation(() => ApiKeyType, { description: 'At once, in every process; its subscriptions are closed with 4403.' })
  revokeApiKey(@Arg('id', () => ID) id: string, @Ctx() { viewer, services }: GraphqlContext): Promise<ApiKey> {
    return services.apiKeys.revoke(viewer, id);
  }

  @Mutation(() => TwilioCredentialType, { description: 'Sets the first one, or rotates with overlap.' })
  setTwilioCredential(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('input', () => TwilioCredentialInput) input: TwilioCredentialInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<TwilioCredential> {
    return services.twilioCredentials.set(viewer, tenantId, input);
  }

  @Mutation(() => TwilioCredentialType)
  removeTwilioCredential(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<TwilioCredential> {
    return services.twilioCredentials.remove(viewer, tenantId, id);
  }

  @Mutation(() => TestNumberType)
  addTestNumber(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('input', () => TestNumberInput) input: TestNumberInput,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<TestNumber> {
    return services.testNumbers.add(viewer, tenantId, input);
  }

  @Mutation(() => TestNumberType)
  removeTestNumber(
    @Arg('tenantId', () => ID) tenantId: string,
    @Arg('id', () => ID) id: string,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<TestNumber> {
    return services.testNumbers.remove(viewer, tenantId, id);
  }

  @Query(() => ApiAccessRequestConnection)
  async apiAccessRequests(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<Connection<ApiAccessRequest>> {
    return toConnection(await services.accessRequests.page(viewer, page), page, byCreation);
  }

  @Mutation(() => ApiAccessRequestType, { description: 'status: open, accepted or declined.' })
  decideApiAccessRequest(
    @Arg('id', () => ID) id: string,
    @Arg('status', () => String) status: AccessRequestStatus,
    @Ctx() { viewer, services }: GraphqlContext,
  ): Promise<ApiAccessRequest> {
    return services.accessRequests.decide(viewer, id, status);
  }
}
