// The sparse convolution as a plugin of TensorRT: IPluginV3 with its creator, found by whoever loads this library.
#include <NvInferRuntime.h>

#include <new>

#include "sparse_conv.h"

namespace lidar_vl {
namespace {

using namespace nvinfer1;

constexpr char NAME[] = "SparseConv", VERSION[] = "1", NAMESPACE[] = "lidar_vl";
constexpr int MOST_NEIGHBOURS = 27;
constexpr int X = 0, TABLE = 1, WEIGHT = 2, BIAS = 3;
const PluginFieldCollection NO_FIELDS{0, nullptr};

class SparseConv final : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuild, public IPluginV3OneRuntime {
 public:
  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
    switch (type) {
      case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
      case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
      case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
    }
    return nullptr;
  }
  IPluginV3* clone() noexcept override { return new (std::nothrow) SparseConv; }

  AsciiChar const* getPluginName() const noexcept override { return NAME; }
  AsciiChar const* getPluginVersion() const noexcept override { return VERSION; }
  AsciiChar const* getPluginNamespace() const noexcept override { return NAMESPACE; }

  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t getOutputDataTypes(DataType* outputs, int32_t, DataType const* inputs, int32_t) const noexcept override {
    outputs[0] = inputs[X];
    return 0;
  }
  int32_t getOutputShapes(DimsExprs const* inputs, int32_t count, DimsExprs const*, int32_t, DimsExprs* outputs, int32_t,
                          IExprBuilder&) noexcept override {
    if (count != 4) return 1;
    outputs[0].nbDims = 2;
    outputs[0].d[0] = inputs[TABLE].d[0];
    outputs[0].d[1] = inputs[BIAS].d[0];
    return 0;
  }
  bool supportsFormatCombination(int32_t place, DynamicPluginTensorDesc const* tensors, int32_t, int32_t) noexcept override {
    const auto& asked = tensors[place].desc;
    if (asked.format != TensorFormat::kLINEAR) return false;
    if (place == TABLE) return asked.type == DataType::kINT32;
    return (asked.type == DataType::kFLOAT || asked.type == DataType::kHALF) && asked.type == tensors[X].desc.type;
  }
  int32_t configurePlugin(DynamicPluginTensorDesc const* inputs, int32_t, DynamicPluginTensorDesc const*,
                          int32_t) noexcept override {
    return fits(inputs[TABLE].desc);
  }

  int32_t onShapeChange(PluginTensorDesc const* inputs, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    return fits(inputs[TABLE]);
  }
  int32_t enqueue(PluginTensorDesc const* inputs, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    const auto size = [&](int tensor, int dimension) { return static_cast<int>(inputs[tensor].dims.d[dimension]); };
    return lidar_vl_sparse_conv(inputs[X].type == DataType::kHALF, in[X], static_cast<const int*>(in[TABLE]), in[WEIGHT],
                                in[BIAS], out[0], size(X, 0), size(TABLE, 0), size(TABLE, 1), size(WEIGHT, 1),
                                size(WEIGHT, 2), stream);
  }
  IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
  PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &NO_FIELDS; }

 private:
  static int32_t fits(PluginTensorDesc const& table) {
    return table.dims.nbDims == 2 && table.dims.d[1] >= 1 && table.dims.d[1] <= MOST_NEIGHBOURS ? 0 : 1;
  }
};

class SparseConvCreator final : public IPluginCreatorV3One {
 public:
  IPluginV3* createPlugin(AsciiChar const*, PluginFieldCollection const*, TensorRTPhase) noexcept override {
    return new (std::nothrow) SparseConv;
  }
  PluginFieldCollection const* getFieldNames() noexcept override { return &NO_FIELDS; }
  AsciiChar const* getPluginName() const noexcept override { return NAME; }
  AsciiChar const* getPluginVersion() const noexcept override { return VERSION; }
  AsciiChar const* getPluginNamespace() const noexcept override { return NAMESPACE; }
};

SparseConvCreator creator;

}  // namespace
}  // namespace lidar_vl

extern "C" {
// TensorRT looks for these two when it loads a library.
void setLoggerFinder(nvinfer1::ILoggerFinder*) {}
nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static nvinfer1::IPluginCreatorInterface* const creators[] = {&lidar_vl::creator};
  count = 1;
  return creators;
}
}
