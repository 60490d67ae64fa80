import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { EvaluationSource as Source, RubricCriterion as Criterion } from '../../entities/index.js';
import type {
  Agreement,
  Calibration as Calibrated,
  EvaluationSummary as Summary,
} from '../../services/evaluation-stats.js';
import type { RubricInput as Input } from '../../services/rubrics.js';
import { EvaluationSource } from '../common/enums.js';
import { DateTime } from '../common/scalars.js';

@ObjectType({ simpleResolvers: true })
export class RubricCriterion implements Criterion {
  @Field(() => String)
  key!: string;
  @Field(() => String, { description: 'What a judge reads.' })
  description!: string;
  @Field(() => Float, { description: 'How much it counts beside the others.' })
  weight!: number;
}

@ObjectType('Rubric', { simpleResolvers: true, description: 'How calls of an agent are judged after they ended.' })
export class RubricType {
  @Field(() => ID)
  agentId!: string;
  @Field(() => Int, { description: 'Rises when the criteria change.' })
  revision!: number;
  @Field(() => [RubricCriterion])
  criteria!: Criterion[];
  @Field(() => Float, { description: 'Share of calls that are judged automatically, 0-1.' })
  sampleRate!: number;
  @Field(() => DateTime)
  updatedAt!: Date;
}

@InputType()
export class RubricCriterionInput implements Criterion {
  @Field(() => String)
  key!: string;
  @Field(() => String)
  description!: string;
  @Field(() => Float)
  weight!: number;
}
@InputType()
export class RubricInput implements Input {
  @Field(() => [RubricCriterionInput])
  criteria!: RubricCriterionInput[];
  @Field(() => Float, { nullable: true, description: '0-1; missing: as it is, at first 1.' })
  sampleRate?: number | null;
}

@ObjectType({ simpleResolvers: true })
export class SourceScore {
  @Field(() => EvaluationSource)
  source!: Source;
  @Field(() => Int)
  evaluations!: number;
  @Field(() => Float)
  meanScore!: number;
}
@ObjectType({ simpleResolvers: true })
export class CriterionScore extends SourceScore {
  @Field(() => String)
  key!: string;
}

@ObjectType({ simpleResolvers: true, description: 'How the real calls of one version were judged.' })
export class EvaluationSummary implements Summary {
  @Field(() => ID)
  agentVersionId!: string;
  @Field(() => Int)
  versionNumber!: number;
  @Field(() => Int)
  evaluations!: number;
  @Field(() => Int)
  sessions!: number;
  @Field(() => Float)
  meanScore!: number;
  @Field(() => [SourceScore])
  bySource!: SourceScore[];
  @Field(() => [CriterionScore])
  byCriterion!: CriterionScore[];
}

@ObjectType({ simpleResolvers: true })
abstract class AgreementType implements Agreement {
  @Field(() => Int, { description: 'Judged by the model and by people.' })
  sessions!: number;
  @Field(() => Float, { nullable: true, description: 'Share of sessions in which they agree.' })
  agreement!: number | null;
  @Field(() => Float, { nullable: true, description: 'Model minus people: above 0 the model is kinder.' })
  meanDifference!: number | null;
  @Field(() => Float, { nullable: true })
  meanAbsoluteDifference!: number | null;
  @Field(() => Float, { nullable: true, description: 'Pearson’s; null where one side always gives the same score.' })
  correlation!: number | null;
}
@ObjectType({ simpleResolvers: true })
export class CriterionCalibration extends AgreementType {
  @Field(() => String)
  key!: string;
}
@ObjectType({
  simpleResolvers: true,
  description: 'How far the model judges as people do, over the sessions that both judged.',
})
export class Calibration extends AgreementType implements Calibrated {
  @Field(() => Float, { description: 'How far apart two scores may lie and still agree.' })
  tolerance!: number;
  @Field(() => [CriterionCalibration], { description: 'Of each criterion that both judged.' })
  byCriterion!: CriterionCalibration[];
}
