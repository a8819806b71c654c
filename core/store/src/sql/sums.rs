//! Exact `sum` of integers.

use super::numbers::overflow;
use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray, BooleanArray},
        compute::{CastOptions, cast_with_options},
        datatypes::{
            DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Field, FieldRef, Int64Type,
            UInt64Type,
        },
        error::ArrowError,
    },
    common::{ScalarValue, internal_err},
    error::{DataFusionError, Result},
    functions_aggregate::sum::Sum,
    logical_expr::{
        Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
        Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// `sum` that adds integers with 38 digits, and fails if the result overflows.
#[derive(Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct ExactSum {
    engine: Sum,
}

/// The type of intermediate sums.
const WIDE: DataType = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);

fn widen_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), WIDE, true))
}

fn widen_arguments<'a>(arguments: &AccumulatorArgs<'a>) -> AccumulatorArgs<'a> {
    AccumulatorArgs {
        return_field: widen_field(&arguments.return_field),
        schema: arguments.schema,
        ignore_nulls: arguments.ignore_nulls,
        order_bys: arguments.order_bys,
        is_reversed: arguments.is_reversed,
        name: arguments.name,
        is_distinct: arguments.is_distinct,
        exprs: arguments.exprs,
        expr_fields: arguments.expr_fields,
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.engine.return_type(types)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !arguments.return_type().is_integer() {
            return self.engine.accumulator(arguments);
        }
        let inner = self.engine.accumulator(widen_arguments(&arguments))?;
        Ok(Box::new(NarrowSum::new(inner, &arguments)))
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        if !arguments.return_type().is_integer() {
            return self.engine.create_sliding_accumulator(arguments);
        }
        let inner: Box<dyn Accumulator> = if arguments.is_distinct {
            // The engine's version adds with 64 bits only.
            Box::new(SlidingDistinctSum::default())
        } else {
            let wide = widen_arguments(&arguments);
            self.engine.create_sliding_accumulator(wide)?
        };
        Ok(Box::new(NarrowSum::new(inner, &arguments)))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !arguments.return_type().is_integer() {
            return self.engine.state_fields(arguments);
        }
        let return_field = widen_field(&arguments.return_field);
        self.engine.state_fields(StateFieldsArgs {
            return_field,
            ..arguments
        })
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.engine.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if !arguments.return_type().is_integer() {
            return self.engine.create_groups_accumulator(arguments);
        }
        let inner = self
            .engine
            .create_groups_accumulator(widen_arguments(&arguments))?;
        Ok(Box::new(NarrowSum::new(inner, &arguments)))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.engine.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.engine.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.engine.set_monotonicity(data_type)
    }
}

/// Adds in the type [`WIDE`], and returns the sum in the requested type.
#[derive(Debug)]
struct NarrowSum<A> {
    inner: A,
    name: String,
    data_type: DataType,
}

impl<A> NarrowSum<A> {
    fn new(inner: A, arguments: &AccumulatorArgs) -> Self {
        Self {
            inner,
            name: arguments.name.to_string(),
            data_type: arguments.return_type().clone(),
        }
    }

    fn narrow(&self, sums: &ArrayRef) -> Result<ArrayRef> {
        let sums = sums.as_primitive::<Decimal128Type>();
        let overflow = || overflow(&self.name, &self.data_type);
        Ok(match self.data_type {
            DataType::UInt64 => {
                Arc::new(sums.try_unary::<_, UInt64Type, DataFusionError>(|sum| {
                    u64::try_from(sum).map_err(|_| overflow())
                })?)
            }
            _ => Arc::new(sums.try_unary::<_, Int64Type, DataFusionError>(|sum| {
                i64::try_from(sum).map_err(|_| overflow())
            })?),
        })
    }
}

fn widen(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let wide = |values: &ArrayRef| cast_with_options(values, &WIDE, &options);
    Ok(values.iter().map(wide).collect::<Result<_, ArrowError>>()?)
}

impl Accumulator for NarrowSum<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&widen(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&self.narrow(&sum)?, 0)
    }

    fn size(&self) -> usize {
        self.inner.size() + size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&widen(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

impl GroupsAccumulator for NarrowSum<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        let values = widen(values)?;
        self.inner.update_batch(&values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        self.narrow(&sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.merge_batch(values, groups, filter, total)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&widen(values)?, filter)
    }

    fn supports_convert_to_state(&self) -> bool {
        self.inner.supports_convert_to_state()
    }

    fn size(&self) -> usize {
        self.inner.size() + size_of::<Self>()
    }
}

/// The known numbers among widened values.
fn flatten_numbers(values: &[ArrayRef]) -> impl Iterator<Item = i128> {
    let values = values.iter().map(AsArray::as_primitive::<Decimal128Type>);
    values.flatten().flatten()
}

/// The sum of the distinct values in a sliding window.
#[derive(Debug, Default)]
struct SlidingDistinctSum {
    /// Number of occurrences of each value in the window.
    counts: BTreeMap<i128, usize>,
    sum: i128,
}

impl Accumulator for SlidingDistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in flatten_numbers(values) {
            let count = self.counts.entry(value).or_insert(0);
            if *count == 0 {
                self.sum += value;
            }
            *count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in flatten_numbers(values) {
            if let Some(count) = self.counts.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&value);
                    self.sum -= value;
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = (!self.counts.is_empty()).then_some(self.sum);
        Ok(ScalarValue::Decimal128(sum, DECIMAL128_MAX_PRECISION, 0))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.counts.len() * size_of::<(i128, usize)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a sliding window has no state for merging")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        internal_err!("a sliding window cannot merge states")
    }
}
